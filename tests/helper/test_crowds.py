"""Many connections at once: they cost whoever made them, and nobody else."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from blocking_descriptors import (
    IN,
    IO_PROCESS_TERMINATED,
    LIMIT,
    NOBODY,
    OUT,
    LingeringSockets,
    attacked,
)
from helper_process import PYTHON_HELPER, Client, started
from process_tree import Child
from requirements import unavailable

STRANGER = 54321
ROOM = 8  # connections


# Slow descriptors


@pytest.mark.parametrize("count", [50, 300])
@pytest.mark.parametrize(
    ("half", "finish"),
    [(IN[:8], lambda client: client.send(IN[8:])), (OUT, lambda client: client.socket.close())],
    ids=["good requests", "the ends of half-sent requests"],
)
def test_fresh_connections_with_a_slow_descriptor_each_delay_nobody(folder, count, half, finish):
    with attacked(folder, (), LingeringSockets(linger=1)) as (_, attacker, innocent):
        crowd = [attacker.connect() for _ in range(count)]
        for client in crowd:
            attacker.send(client, half)

        for client in crowd:
            finish(client)

        for _ in range(10):
            innocent.ask(LIMIT)


# No room for more connections


def connect(path: str) -> socket.socket:
    return Client(path).socket


def connect_in_a_child(path: str) -> socket.socket:
    """Have a connection that another process made, which has ended since."""
    here, there = socket.socketpair()
    with here, there:
        if (pid := os.fork()) == 0:
            try:
                connection = connect(path)
                socket.send_fds(there, [b"\0"], [connection.fileno()])
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        there.shutdown(socket.SHUT_WR)
        _, (fd,), _, _ = socket.recv_fds(here, 1, 1)
    return socket.socket(fileno=fd)


def connect_in_a_child_that_stays(path: str) -> int:
    """Have another process make a connection and keep it, as long as this one lives."""
    mine, theirs = os.pipe()
    connected, done = os.pipe()
    if os.fork() == 0:
        try:
            os.close(theirs)
            with Client(path):
                os.write(done, b"\0")
                os.read(mine, 1)
        finally:
            os._exit(0)
    os.close(mine)
    os.close(done)
    os.read(connected, 1)
    os.close(connected)
    return theirs


def crowd(path: str, make: Callable[[str], object]) -> Iterator[None]:
    kept = []
    while True:
        kept.append(make(path))
        yield


def several(path: str, disk: Path, count: int) -> Iterator[int]:
    """Keep connections; give how many of them still have commands answered."""
    fd = os.open(disk, os.O_RDONLY)
    clients = [Client(path) for _ in range(count)]
    yield count
    while True:
        answered = 0
        for client in clients:
            with suppress(OSError, EOFError):
                answered += client.command(IN, fd).sense_codes == IO_PROCESS_TERMINATED
        yield answered


@contextmanager
def full_helper(
    folder: Path, make: Callable[[str], object], *, kept: int, users: tuple[int, int] | None = None
) -> Iterator[Child]:
    """A helper with an innocent, and with a crowd for which there is no room; two users, or one."""
    innocent_user, crowds_user = users or (None, None)
    path, disk = str(folder / "helper.sock"), folder / "disk"
    disk.touch()
    with started(PYTHON_HELPER, path, "--max-connections", str(ROOM)):
        os.chmod(path, 0o666)
        with (
            Child(lambda: several(path, disk, kept), innocent_user) as innocent,
            Child(lambda: crowd(path, make), crowds_user) as rest,
        ):
            assert innocent.ask() == kept
            for _ in range(3 * ROOM):
                rest.ask()
            yield innocent


@pytest.mark.parametrize("make", [connect, connect_in_a_child, connect_in_a_child_that_stays])
def test_a_user_with_too_many_connections_costs_another_user_none(folder, make):
    if os.geteuid() != 0:
        unavailable("only root can have clients of two users")

    with full_helper(folder, make, kept=3, users=(NOBODY, STRANGER)) as innocent:
        assert innocent.ask() == 3


def test_a_process_with_too_many_connections_costs_another_of_its_user_none(folder):
    with full_helper(folder, connect, kept=1) as innocent:
        assert innocent.ask() == 1


def test_who_has_too_many_connections_can_go_on_with_the_newest(path, folder):
    disk = folder / "disk"
    disk.touch()
    with (
        started(PYTHON_HELPER, path, "--max-connections", str(ROOM)),
        Child(lambda: several(path, disk, 3 * ROOM)) as client,
    ):
        client.ask()

        assert client.ask() == ROOM
