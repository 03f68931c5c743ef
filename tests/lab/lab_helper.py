"""A helper process on a socket: ours, or the one that comes with QEMU."""

import contextlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from waiting import PATIENCE, wait_for
from wire import Client

OURS = str(Path(sys.executable).parent / "qemu-pr-helper")

# Runs a program in a file system of its own, where libmpathpersist is an empty file.
_HIDE = 'mount --bind /dev/null $(realpath /lib/libmpathpersist.so.0); exec "$@"'
WITHOUT_LIBRARY = ["unshare", "--mount", "sh", "-c", _HIDE, "sh"]

PROGRAMS = {
    "ours": [OURS],
    "alone": [*WITHOUT_LIBRARY, OURS],
    "c": ["/usr/bin/qemu-pr-helper"],
}

MAPS = "qemu-pr-maps"  # in ps(1): the process that forks one for each map, and these


class Helper:
    """A helper that can be stopped and started again."""

    def __init__(self, program: str, socket: str, log: Path) -> None:
        """Describe a helper; `start` starts it.

        Args:
            program: A key of `PROGRAMS`.
            socket: The path of its socket.
            log: Where its messages go.
        """
        self.socket = socket
        self._program = PROGRAMS[program]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        pid_file = Path(self.socket).with_suffix(".pid")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._program, "-k", self.socket, "-f", pid_file],
                stdout=log,
                stderr=log,
            )
        wait_for(self.listens, f"{self._program[-1]} to listen; see {self._log.name}")

    def stop(self) -> int:
        """End the helper with SIGTERM, and give its exit status.

        Raises:
            subprocess.TimeoutExpired: It did not end within `PATIENCE`.
        """
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(PATIENCE)

    def abandon(self) -> None:
        """End the helper with two SIGTERM: the first lets it finish, and the second does not.

        Threads whose disks hang stay with the kernel, and with them the process that has them; the
        one that was started ends all the same.
        """
        assert self._process is not None
        self._process.terminate()
        wait_for(lambda: not Path(self.socket).exists(), f"{self.socket} to be removed")
        self._process.terminate()
        self._process.wait(20)

    def descriptors(self) -> int:
        """Count the descriptors that the helper's process for clients has open."""
        assert self._process is not None
        serving = children(self._process.pid, "qemu-pr-serve")
        (pid,) = serving or [self._process.pid]
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))

    def map_processes(self) -> list[int]:
        """List the processes that carry out commands on a map each."""
        assert self._process is not None
        (forking,) = children(self._process.pid, MAPS)
        return children(forking, MAPS)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def listens(self) -> bool:
        """Tell whether it takes connections."""
        return listens(self.socket)


def listens(path: str) -> bool:
    """Tell whether a helper takes connections on a socket."""
    with contextlib.suppress(OSError), Client(path):
        return True
    return False


def children(process: int, name: str) -> list[int]:
    """List the processes of a name that a process forked."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [pid for pid in map(int, children) if _name(pid) == name]


def _name(process: int) -> str:
    with contextlib.suppress(OSError):  # it has ended
        return Path(f"/proc/{process}/comm").read_text().strip()
    return ""


StartHelper = Callable[[str, str], Helper]
"""Starts the helper of a name (a key of `PROGRAMS`) on the socket of a path."""
