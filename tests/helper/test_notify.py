"""systemd is told once the helper serves, and never of one that did not start."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from helper_process import PATIENCE, PYTHON_HELPER, Client, started, terminated


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket like systemd's, and what NOTIFY_SOCKET says of it."""
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(PATIENCE)
        if request.param == "abstract":
            listening.bind(f"\0{name}")
            yield listening, f"@{name}"
        else:
            listening.bind(name)
            yield listening, name


def test_a_helper_that_serves_tells_so(manager: tuple[socket.socket, str], path: str) -> None:
    listening, address = manager

    with started(("env", f"NOTIFY_SOCKET={address}", *PYTHON_HELPER), path) as process:
        told = listening.recv(100)
        Client(path).socket.close()
        terminated(process)

    assert told == b"READY=1"


def test_a_helper_that_does_not_start_tells_nothing(
    manager: tuple[socket.socket, str], tmp_path: Path
) -> None:
    listening, address = manager
    environment = os.environ | {"NOTIFY_SOCKET": address}

    done = subprocess.run(
        [*PYTHON_HELPER, "-k", tmp_path / "nosuch/x.sock"], env=environment, capture_output=True
    )

    assert done.returncode == 1
    listening.setblocking(False)
    with pytest.raises(BlockingIOError):
        listening.recv(100)


def test_a_manager_that_is_gone_ends_no_helper(path: str, tmp_path: Path) -> None:
    command = ("env", f"NOTIFY_SOCKET={tmp_path}/nobody", *PYTHON_HELPER)

    with started(command, path) as process:
        with Client(path):
            pass
        terminated(process)

    assert process.returncode == 0
