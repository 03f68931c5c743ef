"""systemd is told once the helper serves, and an ordinary user that no disk will take commands."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from helper_process import PATIENCE, PYTHON_HELPER, Client, started, terminated
from requirements import require


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


POWERLESS = "qemu-pr-helper: no CAP_SYS_RAWIO, so no disk: be root, or try --simulate\n"


def powerless(*command: str) -> tuple[str, ...]:
    """A program as it runs for an ordinary user, or for root in a container."""
    if os.geteuid() != 0:
        return command
    return (require("setpriv", package="util-linux"), "--bounding-set=-sys_rawio", *command)


@pytest.mark.parametrize(("options", "told"), [((), POWERLESS), (("-q",), "")])
def test_an_ordinary_user_is_told_that_no_disk_will_take_commands(
    options: tuple[str, ...], told: str, folder: Path
) -> None:
    with started(powerless(*PYTHON_HELPER), str(folder / "sock"), *options) as process:
        assert terminated(process) == told


def test_who_simulates_disks_needs_no_privilege(folder: Path) -> None:
    command = powerless(*PYTHON_HELPER)
    options = ("--simulate", str(folder / "state.db"))

    with started(command, str(folder / "sock"), *options) as process:
        assert terminated(process) == ""
