"""Hosts to put a simulated disk into any situation."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from status_hosts import Host, connect


@pytest.fixture
def disk(folder: Path) -> Path:
    path = folder / "disk.img"
    path.touch()
    return path


@pytest.fixture
def host(folder: Path, disk: Path) -> Iterator[Callable[[str], Host]]:
    """Gives the host whose initiator port has a name; its helper runs until the test ends."""
    with contextlib.ExitStack() as stack:

        def start(initiator: str) -> Host:
            socket = str(folder / f"{len(os.listdir(folder))}.sock")
            helper = [sys.executable, "-m", "qemu_pr.cli.qemu_pr_helper", "-q", "-k", socket]
            options = ["--simulate", str(folder / "state.db"), "--initiator", initiator]
            process = subprocess.Popen([*helper, *options])
            stack.callback(process.wait)
            stack.callback(process.kill)
            manager = stack.enter_context(connect(process, socket))
            fd = os.open(disk, os.O_RDWR)
            stack.callback(os.close, fd)
            return Host(socket, manager, fd)

        yield start


@pytest.fixture
def a(host: Callable[[str], Host]) -> Host:
    return host("naa.600140500000000a")


@pytest.fixture
def b(host: Callable[[str], Host]) -> Host:
    return host("naa.600140500000000b")
