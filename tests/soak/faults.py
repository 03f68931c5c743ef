"""What goes wrong while the clients work: a table of faults, injected one after the other."""

import os
import random
import signal
import socket
import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from pathlib import Path

HANDSHAKE = bytes(4)
READ_KEYS = bytes.fromhex("5e000000000000200000") + bytes(6)
REGISTER = bytes.fromhex("5f000000000000001800") + bytes(6)


@dataclass
class Scene:
    """Where faults happen.

    Attributes:
        socket: The helper's.
        state: Its STATE file.
        disk: A simulated disk that no client uses.
        connections: As many as the helper keeps.
        choose: Random numbers.
    """

    socket: str
    state: Path
    disk: int
    connections: int
    choose: random.Random = field(default_factory=lambda: random.Random(0))

    def connect(self) -> socket.socket:
        """Connect and shake hands."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(30)
        connection.connect(self.socket)
        connection.recv(len(HANDSHAKE))
        connection.sendall(HANDSHAKE)
        return connection


def killed_in_mid_request(scene: Scene) -> None:
    """A client dies with half a request sent, or with a whole one."""
    size = scene.choose.choice((1, 8, 15, 16, 20, 40))
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            connection = scene.connect()
            socket.send_fds(connection, [(REGISTER + bytes(24))[:size]], [scene.disk])
            os.write(writer, b".")
            signal.pause()
        finally:
            os._exit(1)
    os.close(writer)
    os.read(reader, 1)
    os.close(reader)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def leaves_before_the_reply(scene: Scene) -> None:
    """A client closes its connection right behind a command."""
    with scene.connect() as connection:
        socket.send_fds(connection, [READ_KEYS], [scene.disk])


def garbage(scene: Scene) -> None:
    """A client sends anything, with any number of descriptors."""
    with scene.connect() as connection:
        for _ in range(scene.choose.randint(1, 4)):
            data = scene.choose.randbytes(scene.choose.randint(1, 60))
            if scene.choose.random() < 0.5:
                data = READ_KEYS[: scene.choose.randint(1, 16)] + data
            count = scene.choose.choice((0, 1, 1, 2, 10))
            socket.send_fds(connection, [data], [scene.disk] * count)


def no_handshake(scene: Scene) -> None:
    """A client asks for features that do not exist, or says nothing for a while."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(scene.socket)
        connection.send(scene.choose.choice((b"\1", b"\0\0\0\1", b"\xff" * 9)))


def never_reads(scene: Scene) -> None:
    """A client sends commands as long as the helper takes them, and reads no reply."""
    with scene.connect() as connection:
        for _ in range(20_000):
            socket.send_fds(connection, [READ_KEYS], [scene.disk])


def half_requests(scene: Scene) -> None:
    """Many clients stop in the middle of a request, until the helper disconnects them."""
    with ExitStack() as stack:
        connections = [stack.enter_context(scene.connect()) for _ in range(20)]
        for connection in connections:
            socket.send_fds(connection, [READ_KEYS[:8]], [scene.disk])
        for connection in connections:
            connection.recv(1)


def a_byte_at_a_time(scene: Scene) -> None:
    """A client takes its time over a request, and is answered if it is fast enough."""
    with scene.connect() as connection:
        socket.send_fds(connection, [READ_KEYS[:1]], [scene.disk])
        for byte in READ_KEYS[1:]:
            connection.send(bytes((byte,)))
        connection.recv(200)


def descriptor_flood(scene: Scene) -> None:
    """A client passes as many descriptors as fit into a message."""
    with scene.connect() as connection:
        for _ in range(5):
            socket.send_fds(connection, [READ_KEYS], [scene.disk] * 253)


def own_socket(scene: Scene) -> None:
    """A client passes its own connection as the disk, whole and in half a request."""
    with scene.connect() as connection:
        socket.send_fds(connection, [READ_KEYS], [connection.fileno()])
        connection.recv(200)
        socket.send_fds(connection, [READ_KEYS[:8]], [connection.fileno()])


def connection_flood(scene: Scene) -> None:
    """A client connects more often than the helper keeps connections."""
    with ExitStack() as stack:
        for _ in range(scene.connections + 50):
            stack.enter_context(scene.connect())


def slow_disk(scene: Scene) -> None:
    """All simulated disks stand still for a moment: another program has locked STATE."""
    with suppress(sqlite3.OperationalError):  # the clients keep it busy
        connection = sqlite3.connect(scene.state, isolation_level=None, timeout=10)
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(scene.choose.uniform(0.01, 0.5))
        connection.close()


FAULTS: tuple[Callable[[Scene], None], ...] = (
    killed_in_mid_request,
    leaves_before_the_reply,
    garbage,
    no_handshake,
    never_reads,
    half_requests,
    a_byte_at_a_time,
    descriptor_flood,
    own_socket,
    connection_flood,
    slow_disk,
)


def run(scene: Scene, running: Event, ended: Event, count: Callable[[int], None]) -> None:
    """Inject faults until `ended` is set.

    Args:
        scene: Where.
        running: While it is not set, there are no faults.
        ended: Set when they are to end; `running` is set then, too.
        count: Called with the number of each fault that was injected.
    """
    number = 0
    while running.wait() and not ended.is_set():
        with suppress(OSError):  # the helper may disconnect whoever misbehaves at any point
            FAULTS[number % len(FAULTS)](scene)
        count(number % len(FAULTS))
        number += 1
