"""All processes of a helper together, and processes that use it, each of a user of its own."""

import os
import pickle
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from helper_process import PATIENCE, children_of, connections_of, exists, status_of, wait_for


def tree_of(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):  # that thread has ended
                found += map(int, children.read_text().split())
    return found


def idle_files(pid: int) -> list[str]:
    """What a helper has open in all its processes when all connections have ended."""
    wait_for(
        lambda: not any(connections_of(one) for one in tree_of(pid) if exists(one)),
        "all connections end",
    )
    wait_for(lambda: _has_begun(pid), "the process for maps closes what it inherited")
    found = []
    for process in tree_of(pid):
        with suppress(OSError):
            for fd in os.listdir(f"/proc/{process}/fd"):
                with suppress(FileNotFoundError):  # closed by now
                    found.append(f"{process}: {os.readlink(f'/proc/{process}/fd/{fd}')}")
    return sorted(found)


def _has_begun(pid: int) -> bool:
    children = children_of(pid)
    if status_of(pid)["Name"] in children:  # one has not taken its own name yet
        return False
    maps = children.get("qemu-pr-maps")
    return maps is None or len(os.listdir(f"/proc/{maps}/fd")) <= 4


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stop all processes of a helper for a while: what is sent meanwhile waits for it, all of it.

    And descriptors that are passed and closed meanwhile are the helper's alone when it goes on.
    """
    tree = tree_of(pid)
    for process in tree:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGSTOP)
    try:
        # A thread that waits in the kernel uninterruptibly stops when it comes back from there.
        stopped = "TtDZX"
        wait_for(
            lambda: all(state in stopped for one in tree for state in _states(one)),
            "the helper stands still",
        )
        yield
    finally:
        for process in tree:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)


def _states(pid: int) -> list[str]:
    states = []
    for thread in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(OSError):
            states.append(thread.read_text().rpartition(")")[2].split()[0])
    return states


class Child:
    """A process that goes on with a generator each time it is asked, and tells what that yields.

    Args:
        generate: Makes the generator, in that process; of what the test has open, none is there.
        user: The ID of the user that it becomes first; None stays what the test is.

    Attributes:
        pid: Its process ID, of one that has been closed, too.
    """

    def __init__(self, generate: Callable[[], Iterator[object]], user: int | None = None) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _live(theirs, generate, user)
            finally:
                os._exit(0)
        theirs.close()

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, patience: float = PATIENCE) -> object:
        """Have the next value; TimeoutError if that takes too long, EOFError if there is none.

        Raises:
            Exception: What the generator raised.
        """
        self._channel.settimeout(patience)
        self._channel.send(b"?")
        if not (data := self._channel.recv(1 << 16)):
            raise EOFError("the process has ended")
        value = pickle.loads(data)
        if isinstance(value, Exception):
            raise value
        return value

    def close(self) -> None:
        """End the process; it has ended on return."""
        self._channel.close()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def _live(
    channel: socket.socket, generate: Callable[[], Iterator[object]], user: int | None
) -> None:
    os.closerange(3, channel.fileno())
    os.closerange(channel.fileno() + 1, 1 << 20)
    generator: Iterator[object] | None = None
    while channel.recv(1):
        try:
            if generator is None:
                if user is not None:
                    os.setgroups([])
                    os.setresgid(user, user, user)
                    os.setresuid(user, user, user)
                generator = generate()
            value = next(generator, None)
        except Exception as error:
            value = error
        channel.send(pickle.dumps(value))
