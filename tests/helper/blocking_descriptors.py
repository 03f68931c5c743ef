"""Descriptors whose close() waits as long as their sender likes, and the ways to pass them.

As a program it prints how long an innocent client had to wait at worst, for each way:

    .venv/bin/python tests/helper/blocking_descriptors.py --tries 40
"""

import argparse
import array
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from helper_process import PYTHON_HELPER, Client, cdb, listens, wait_for
from process_tree import Child, frozen
from silent_file_system import ANY, FLUSH

IN, OUT, BAD = cdb(0x5E, 8), cdb(0x5F, 24), cdb(0x12)
IO_PROCESS_TERMINATED = (0x0B, 0x00, 0x06)
NOBODY = 65534
LINGER = 300  # seconds: longer than any test
LIMIT = 5.0  # seconds that an innocent waits at most; the machine may be busy

FIN_WAIT1 = "04"  # <net/tcp_states.h>


class NotPermitted(Exception):  # noqa: N818
    """This machine does not allow such descriptors."""


# What to pass


class LingeringSockets:
    """TCP sockets that wait in close() until their peer has read what was sent: it never does."""

    def __init__(self, linger: int = LINGER) -> None:
        self._linger = linger
        self._peers: list[socket.socket] = []

    def __enter__(self) -> "LingeringSockets":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def make(self) -> int:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            sender = socket.create_connection(server.getsockname())
            self._peers.append(server.accept()[0])
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, self._linger))
        sender.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                sender.send(bytes(4096))
        return sender.detach()

    def drop(self, fd: int, *, passed: bool) -> None:
        """Close the test's own copy; one that nobody has got must not hold the test up."""
        with socket.socket(fileno=fd) as sender:
            if not passed:
                sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def blocking(self) -> int:
        """How many have been closed by all who had them, and wait."""
        ours = {f"{peer.getpeername()[1]:04X}" for peer in self._peers}
        count = 0
        for line in Path("/proc/net/tcp").read_text().split("\n")[1:-1]:
            _, local, _, state, *_ = line.split()
            count += state == FIN_WAIT1 and local[-4:] in ours
        return count

    def interrupted(self) -> None:
        """Count those no longer that wait until now: a signal has ended that."""
        self.release()

    def release(self) -> None:
        while self._peers:
            self._peers.pop().close()


class SilentFiles:
    """Files of a FUSE file system that does not answer: not FLUSH, on close(), or nothing at all.

    Args:
        operations: Which ones it does not answer, of other processes than this one.
    """

    def __init__(self, *operations: int) -> None:
        self._channel, theirs = socket.socketpair()
        self._channel.settimeout(20)
        program = str(Path(__file__).with_name("silent_file_system.py"))
        silent = [str(number) for number in (theirs.fileno(), os.getpid(), *operations)]
        self._server = subprocess.Popen(
            [sys.executable, program, *silent], pass_fds=[theirs.fileno()]
        )
        theirs.close()
        why, roots, _, _ = socket.recv_fds(self._channel, 1000, 1)
        if not roots:
            self._end()
            raise NotPermitted(f"FUSE cannot be used: {why.decode()}")
        (self._root,) = roots

    def __enter__(self) -> "SilentFiles":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def make(self) -> int:
        return os.open("file", os.O_RDWR, dir_fd=self._root)

    def drop(self, fd: int, *, passed: bool) -> None:  # noqa: ARG002
        os.close(fd)

    def blocking(self) -> int:
        """How many system calls of other processes wait."""
        self._channel.send(b"?")
        (count,) = struct.unpack("i", self._channel.recv(4))
        return int(count)

    def interrupted(self) -> None:
        """Nothing: these waits are uninterruptible."""

    def release(self) -> None:
        """End the file system: the kernel lets go of all who wait for it."""
        if self._root >= 0:
            os.close(self._root)
            self._root = -1
            self._end()

    def _end(self) -> None:
        self._channel.close()
        try:
            self._server.wait(10)
        finally:
            self._server.kill()
            self._server.wait()


Descriptors = LingeringSockets | SilentFiles

KINDS: dict[str, Callable[[], Descriptors]] = {
    "linger": LingeringSockets,
    "flush": lambda: SilentFiles(FLUSH),
    "silent": lambda: SilentFiles(ANY),
}


# How to pass it


@dataclass
class Attacker:
    """A client that makes descriptors of one kind and passes them; it has no copy after that."""

    path: str
    helper: int
    descriptors: Descriptors
    clients: list[Client] = field(default_factory=list)

    def connect(self, *, greet: bool = True) -> Client:
        client = Client(self.path, greet=False)
        self.clients.append(client)
        client.socket.settimeout(1)
        if greet:
            client.read(4)
            client.send(bytes(4))
        return client

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop the helper, so that it gets what is sent meanwhile when this side has no copy."""
        with frozen(self.helper):
            self.descriptors.interrupted()
            yield

    def send(self, client: Client, data: bytes, *, beside: int | None = None) -> None:
        """Pass a new descriptor, and perhaps one that is harmless.

        Without a frozen helper, data must be such that the helper keeps it until there is more:
        else the last to close it could be this side.
        """
        fd = self.descriptors.make()
        passed = False
        try:
            rights = array.array("i", [fd] if beside is None else [fd, beside])
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]
            client.socket.sendmsg([data], ancillary, socket.MSG_DONTWAIT)
            passed = True
        finally:
            self.descriptors.drop(fd, passed=passed)

    def close(self) -> None:
        for client in self.clients:
            client.socket.close()


def half_sent_then_the_end(attacker: Attacker) -> None:
    client = attacker.connect()
    attacker.send(client, OUT)
    client.socket.close()


def half_sent_with_a_bad_cdb(attacker: Attacker) -> None:
    client = attacker.connect()
    attacker.send(client, BAD[:8])
    client.send(BAD[8:])


def half_sent_until_it_times_out(attacker: Attacker) -> None:
    attacker.send(attacker.connect(), OUT)


def two_with_one_command(attacker: Attacker) -> None:
    client = attacker.connect()
    attacker.send(client, IN[:8])
    client.send(IN[8:], client.socket.fileno())


def two_at_once(attacker: Attacker) -> None:
    client = attacker.connect()
    with attacker.frozen():
        attacker.send(client, IN, beside=client.socket.fileno())


def queued_behind_a_bad_command(attacker: Attacker) -> None:
    client = attacker.connect()
    with attacker.frozen():
        client.send(BAD)
        for _ in range(3):
            attacker.send(client, IN)


def with_the_handshake(attacker: Attacker) -> None:
    with attacker.frozen():
        attacker.send(attacker.connect(greet=False), bytes(4))


def with_a_bad_handshake(attacker: Attacker) -> None:
    with attacker.frozen():
        attacker.send(attacker.connect(greet=False), b"\xff" * 4)


def with_a_good_request(attacker: Attacker) -> None:
    client = attacker.connect()
    attacker.send(client, IN[:8])
    client.send(IN[8:])


def held_by_connections_that_make_room(attacker: Attacker) -> None:
    for _ in range(4):
        attacker.send(attacker.connect(), OUT)


@dataclass(frozen=True)
class Way:
    """A way to pass descriptors.

    Attributes:
        attack: Does it once.
        options: How the helper is started.
        kinds: The kinds with which it blocks. What the kernel throws away with a socket's queue is
            not flushed, so that no file of FUSE holds it up.
        innocent_user: Who the innocent has to be; needs root.
    """

    attack: Callable[[Attacker], None]
    options: tuple[str, ...] = ()
    kinds: tuple[str, ...] = tuple(KINDS)
    innocent_user: int | None = None


WAYS = {
    "half-sent, then the end": Way(half_sent_then_the_end),
    "half-sent, bad CDB": Way(half_sent_with_a_bad_cdb),
    "half-sent, timed out": Way(half_sent_until_it_times_out, ("--request-timeout", "1")),
    "two with one command": Way(two_with_one_command),
    "two at once": Way(two_at_once),
    "queued behind a bad command": Way(queued_behind_a_bad_command, kinds=("linger",)),
    "user refused": Way(
        with_the_handshake, ("--allow-user", str(NOBODY)), kinds=("linger",), innocent_user=NOBODY
    ),
    "with the handshake": Way(with_the_handshake),
    "with a bad handshake": Way(with_a_bad_handshake),
    "with a good request": Way(with_a_good_request),
    "evicted": Way(held_by_connections_that_make_room, ("--max-connections", "8")),
}


# Who must not suffer


def innocent(path: str, disk: str) -> Iterator[float]:
    """Have a command answered on a connection of long ago, then on a new one; give the worst wait.

    Every command of both is answered at once, as the disk is a regular file.
    """
    fd = os.open(disk, os.O_RDONLY)
    with Client(path) as steady:
        while True:
            began = time.monotonic()
            assert steady.command(IN, fd).sense_codes == IO_PROCESS_TERMINATED
            waits = [time.monotonic() - began]
            began = time.monotonic()
            with Client(path) as fresh:
                assert fresh.command(IN, fd).sense_codes == IO_PROCESS_TERMINATED
            waits.append(time.monotonic() - began)
            yield max(waits)


@contextmanager
def attacked(
    folder: Path, options: tuple[str, ...], descriptors: Descriptors, user: int | None = None
) -> Iterator[tuple[subprocess.Popen[str], Attacker, Child]]:
    """Run a helper with somebody who attacks it, and an innocent client of it.

    What blocks is released first in the end: until then, not even SIGKILL may end the helper.
    """
    path, disk = str(folder / "helper.sock"), folder / "disk"
    disk.touch()
    command = (*PYTHON_HELPER, "-k", path, "-f", str(folder / "helper.pid"), *options)
    with ExitStack() as stack:
        log = stack.enter_context(open(folder / "log", "w+"))
        process = subprocess.Popen(command, stderr=log, text=True)
        stack.callback(process.wait)
        stack.callback(process.kill)
        stack.callback(descriptors.release)
        wait_for(lambda: listens(path) or process.poll() is not None, "it listens")
        os.chmod(path, 0o666)
        child = stack.enter_context(Child(lambda: innocent(path, str(disk)), user))
        child.ask()
        attacker = Attacker(path, process.pid, descriptors)
        stack.callback(attacker.close)
        yield process, attacker, child


def worst_wait(way: Way, attacker: Attacker, child: Child, tries: int, limit: float) -> float:
    """Attack, and have the innocent served meanwhile; give its worst wait, in seconds.

    Raises:
        TimeoutError: It took longer than the limit.
        AssertionError: The attack came to nothing.
    """
    worst = 0.0
    for _ in range(tries):
        with suppress(OSError, EOFError):  # whoever refuses an attacker is right
            way.attack(attacker)
        worst = max(worst, float(str(child.ask(limit))))
    wait_for(lambda: attacker.descriptors.blocking() > 0, "descriptors that block")
    return max(worst, float(str(child.ask(limit))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tries", type=int, default=40)
    parser.add_argument("--limit", type=float, default=20, help="seconds after which to give up")
    options = parser.parse_args()
    for name, way in WAYS.items():
        for kind in way.kinds:
            try:
                with tempfile.TemporaryDirectory(prefix="pr", dir="/tmp") as folder:
                    os.chmod(folder, 0o755)
                    descriptors = KINDS[kind]()
                    user = way.innocent_user
                    with attacked(Path(folder), way.options, descriptors, user) as (_, *who):
                        worst = worst_wait(way, *who, options.tries, options.limit)
                result = f"{worst * 1000:8.1f} ms"
            except TimeoutError:
                result = f"longer than {options.limit:g} s"
            except (NotPermitted, EOFError, OSError, AssertionError) as error:
                result = f"{type(error).__name__}: {error}"
            print(f"{name:30}{kind:8}{result}", flush=True)


if __name__ == "__main__":
    main()
