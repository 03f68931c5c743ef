"""Hosts to report."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulated_hosts import SimulatedHost, three_hosts


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket in it."""
    path = Path(tempfile.mkdtemp(prefix="pr", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def nodes(folder: Path) -> Iterator[list[SimulatedHost]]:
    """Three hosts that share a disk, with a stale key; none is fenced yet."""
    hosts = three_hosts(folder)
    yield hosts
    for host in hosts:
        host.stop_helper()
