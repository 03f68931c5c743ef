"""The Unix sockets that somebody on a host listens on."""

import os
from dataclasses import dataclass
from pathlib import Path

from qemu_pr.host.paths import plain

_ACCEPTS = 0x10000  # __SO_ACCEPTCON


@dataclass(frozen=True, slots=True)
class Listening:
    """A Unix socket that somebody listens on.

    Attributes:
        path: Its path when it was made.
        inode: What tells it from others.
    """

    path: str
    inode: str

    def is_at(self, path: str) -> bool:
        """Tell whether it is the socket of a path."""
        return plain(self.path) == plain(path)


def listening(proc: Path) -> list[Listening]:
    """List the sockets with a path that somebody listens on (/proc/net/unix)."""
    found: list[Listening] = []
    file = proc / "net/unix"
    if not file.exists():  # that host does not run
        return found
    for line in os.fsdecode(file.read_bytes()).split("\n")[1:-1]:
        fields = line.split(maxsplit=7)
        if len(fields) == 8 and int(fields[3], 16) & _ACCEPTS:
            found.append(Listening(fields[7], fields[6]))
    return found
