"""Helpers and guests to examine: real processes on real sockets."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from examined import OURS, Examine, Start
from qemu_pr.cli.qemu_pr import main
from qemu_pr.host.process import Process
from qemu_pr.manager import ConnectError, PRManagerHelper
from requirements import require, unavailable

PATIENCE = 20.0  # seconds; the machine may be busy


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.005)


@pytest.fixture
def path(folder: Path) -> str:
    return str(folder / "helper.sock")


@pytest.fixture
def disk(folder: Path) -> str:
    """A regular file to simulate a disk on."""
    file = folder / "disk.img"
    file.touch()
    os.truncate(file, 1 << 20)
    return str(file)


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a program that is ended with the test."""
    with ExitStack() as stack:

        def start_it(*command: str, **popen: Any) -> subprocess.Popen[bytes]:
            return stack.enter_context(_running(command, popen))

        yield start_it


@contextmanager
def _running(command: Sequence[str], popen: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, **popen)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def helper(start: Start, path: str) -> Start:
    """Start a helper on `path`; it serves when this returns."""

    def start_it(
        *options: str, program: Sequence[str] = OURS, before: Sequence[str] = (), **popen: Any
    ) -> subprocess.Popen[bytes]:
        process = start(*before, *program, "-k", path, *options, **popen)
        wait_for(lambda: _greets(path) or process.poll() is not None, "the helper to serve")
        assert process.poll() is None
        return process

    return start_it


def _greets(path: str) -> bool:
    try:
        PRManagerHelper(path).close()
    except ConnectError:
        return False
    return True


@pytest.fixture
def guest(start: Start, path: str) -> Start:
    """Start a QEMU that is connected to the helper on `path`, with more options."""

    def start_it(*options: str, **popen: Any) -> subprocess.Popen[bytes]:
        qemu = require("qemu-system-x86_64", package="qemu-system-x86")
        bare = ("-S", "-display", "none", "-nodefaults", "-machine", "none", "-qmp", "stdio")
        process = start(
            *(qemu, *bare, "-name", "guest=alice,debug-threads=on"),
            *("-object", f"pr-manager-helper,id=helper0,path={path}", *options),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            **popen,
        )
        assert process.stdout is not None
        assert b"QMP" in process.stdout.readline()
        if {"-runas", "-run-with"} & set(options):  # QEMU greets before it is somebody else
            wait_for(
                lambda: Process(Path("/proc"), process.pid).user != os.geteuid(),
                "QEMU to become another user",
            )
        return process

    return start_it


@pytest.fixture
def reserved_disk() -> tuple[str, ...]:
    """Options of a disk with reservations, on a device that QEMU can open."""
    if not os.access("/dev/loop0", os.R_OK | os.W_OK):
        unavailable("/dev/loop0 cannot be opened: run as root, on a machine that has it")
    return (
        "-blockdev",
        "node-name=hd,driver=raw,file.driver=host_device,file.filename=/dev/loop0,"
        "file.pr-manager=helper0",
    )


@pytest.fixture
def examine(path: str, capsys: pytest.CaptureFixture[str]) -> Examine:
    """Run ``qemu-pr doctor`` on `path`; give its exit status, and what is not ok."""

    def run(*disks: str) -> tuple[int, list[dict[str, str]]]:
        status = main(["doctor", "--json", "--socket", path, *disks])
        results = json.loads(capsys.readouterr().out)
        return status, [one for one in results if one["outcome"] != "ok"]

    return run
