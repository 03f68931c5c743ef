"""Helpers to test: ours, and where a test says so, QEMU's beside it."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from helper_process import C_HELPER, PYTHON_HELPER, started
from requirements import require
from temporary_folder import temporary_folder


@pytest.fixture
def path(folder: Path) -> str:
    return str(folder / "helper.sock")


@pytest.fixture(params=["python", "c"], scope="module")
def command(request: pytest.FixtureRequest) -> Sequence[str]:
    """The command line of a helper: what is asked of ours, QEMU's does, too."""
    if request.param == "python":
        return PYTHON_HELPER
    require(C_HELPER[0], package="qemu-system-common")
    if os.geteuid() != 0:
        pytest.skip("QEMU's helper starts as root only")
    return C_HELPER


@pytest.fixture(scope="module")
def shared_helper(command: Sequence[str]) -> Iterator[str]:
    """The socket of a helper that all tests of a module use."""
    with temporary_folder() as folder:
        path = str(folder / "helper.sock")
        with started(command, path):
            yield path


@pytest.fixture
def python_helper(path: str) -> Iterator[subprocess.Popen[str]]:
    with started(PYTHON_HELPER, path) as process:
        yield process


@pytest.fixture
def regular(folder: Path) -> Iterator[int]:
    """A descriptor that takes no SCSI commands: a regular file, open for reading and writing."""
    fd = os.open(folder / "regular", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)
