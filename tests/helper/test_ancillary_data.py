"""What comes beside a client's bytes: only SCM_RIGHTS holds descriptors, whatever else there is.

systemd sets such options with PassCredentials=, PassSecurity= and the like; connections inherit
them from the socket that listens.
"""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from blocking_descriptors import IN, IO_PROCESS_TERMINATED, OUT
from helper_process import PYTHON_HELPER, Client, serves, terminated, wait_for
from process_tree import Child, idle_files
from requirements import unavailable

SO_PASSSEC, SO_PASSPIDFD = 34, 76  # <asm-generic/socket.h>
OPTIONS = {
    "credentials": (socket.SO_PASSCRED,),
    "pidfd": (SO_PASSPIDFD,),
    "security": (SO_PASSSEC,),
    "all": (socket.SO_PASSCRED, SO_PASSPIDFD, SO_PASSSEC),
}
# User IDs that are numbers of descriptors of the helper, too, and one that is not.
USERS = (5, 6, 8, 65534)


@pytest.fixture(params=OPTIONS)
def helper(
    request: pytest.FixtureRequest, folder: Path, path: str
) -> Iterator[subprocess.Popen[str]]:
    """A helper whose socket was made by another, which set an option."""
    launch = 'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@" 3<&0 0</dev/null'
    command = ("sh", "-c", launch, "sh", *PYTHON_HELPER, "-q")
    with socket.socket(socket.AF_UNIX) as listening:
        for option in OPTIONS[request.param]:
            try:
                listening.setsockopt(socket.SOL_SOCKET, option, 1)
            except OSError as error:
                unavailable(f"this kernel has no such option: {request.param}: {error.strerror}")
        listening.bind(path)
        os.chmod(path, 0o666)
        listening.listen()
        with subprocess.Popen(command, stdin=listening, stderr=subprocess.PIPE, text=True) as one:
            try:
                assert serves(path)
                yield one
            finally:
                one.kill()


def greet(path: str) -> Iterator[None]:
    with Client(path):
        yield


def visit(path: str, disk: Path) -> Iterator[list[tuple[int, int, int]]]:
    """Use the helper as QEMU does, in one piece and in two, then break off a request."""
    fd = os.open(disk, os.O_RDONLY)
    with Client(path) as client:
        replies = [client.command(IN, fd)]
        client.send(IN[:5])
        client.send(IN[5:], fd)
        replies.append(client.reply())
        client.send(OUT, fd)
        yield [reply.sense_codes for reply in replies]


@pytest.mark.parametrize("user", USERS)
def test_no_user_chooses_what_the_helper_closes(helper, path, user):
    if os.geteuid() != 0:
        unavailable("only root can have clients of other users")
    before = idle_files(helper.pid)

    with Child(lambda: greet(path), user) as client:
        client.ask()

    wait_for(lambda: idle_files(helper.pid) == before, f"all that is open: {before}")
    assert serves(path)
    assert terminated(helper) == ""


def test_nothing_leaks_and_commands_are_answered(helper, path, folder):
    disk = folder / "disk"
    disk.touch()
    before = idle_files(helper.pid)

    for _ in range(30):
        with Child(lambda: visit(path, disk)) as client:
            assert client.ask() == [IO_PROCESS_TERMINATED] * 2

    wait_for(lambda: idle_files(helper.pid) == before, f"all that is open: {before}")
    assert terminated(helper) == ""


@pytest.mark.parametrize(
    "rubbish",
    [b"\xff" * 4, IN, OUT[:7], bytes(200)],
    ids=["handshake", "two descriptors", "half a command", "bad command"],
)
def test_who_breaks_off_leaves_nothing_open(helper, path, regular, rubbish):
    before = idle_files(helper.pid)

    for _ in range(30):
        with Client(path, greet=len(rubbish) != 4) as client, suppress(BrokenPipeError):
            client.send(rubbish, regular, regular)

    wait_for(lambda: idle_files(helper.pid) == before, f"all that is open: {before}")
    assert terminated(helper) == ""
