"""The reservation keys of a run: nobody else has them, and the next run knows them again.

A key is ``qprv``, three random bytes that the run draws, and a number. The random part is written
down before the first key is registered, in a file that the run keeps locked: a run that was killed
leaves the file, unlocked, and so what it left on a disk is known. Keys of another host's run, which
may be under way, begin with ``qprv`` too, but are in no file here.
"""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MARK = int.from_bytes(b"qprv", "big")
"""What the keys of every run begin with."""

CLEANING = 0xFF
"""The number of the key with which others are taken away."""


class Keys:
    """The keys of one run.

    Args:
        run: The random part, 24 bits.
    """

    def __init__(self, run: int) -> None:
        self.run = run

    @classmethod
    def drawn(cls) -> "Keys":
        """Give the keys of a new run."""
        return cls(secrets.randbits(24))

    def __getitem__(self, number: int) -> int:
        """Give a key, 64 bits; 0, which is none, for 0."""
        return (MARK << 24 | self.run) << 8 | number if number else 0

    def __contains__(self, key: int) -> bool:
        """Tell whether a key is one of this run."""
        return key >> 8 == MARK << 24 | self.run

    def name(self, key: int) -> str:
        """Name a key as steps do, or in hex if it is not of this run."""
        return f"K{key & 0xFF}" if key in self else f"{key:#x}"


def is_marked(key: int) -> bool:
    """Tell whether a key is one of some run, here or elsewhere."""
    return key >> 32 == MARK


def run_of(key: int) -> int:
    """Give the random part of a marked key."""
    return key >> 8 & 0xFFFFFF


def directory() -> Path:
    """Give the directory of the files."""
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(home).expanduser() / "qemu-pr/validate"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run wrote down.

    Attributes:
        path: The file.
        keys: The run's keys.
        disk: What the run knows the disk by; empty if it was killed before it registered a key.
        is_running: Whether the run is under way.
    """

    path: Path
    keys: Keys
    disk: str
    is_running: bool

    def forget(self) -> None:
        """Remove the file, unless the run is under way."""
        try:
            with self.path.open("r+") as file:
                if _lock(file.fileno()):
                    self.path.unlink(missing_ok=True)
        except FileNotFoundError:
            pass


def records() -> Iterator[RunRecord]:
    """Give what runs of this user wrote down on this host."""
    for path in sorted(directory().glob("[0-9a-f]" * 6)):
        try:
            with path.open("r+") as file:
                running = not _lock(file.fileno())
                disk = json.loads(file.read())["disk"]
        except (OSError, ValueError, KeyError, TypeError):
            disk, running = "", False
        yield RunRecord(path, Keys(int(path.name, 16)), str(disk), running)


class Writing:
    """Writes a run down for as long as it may leave keys; a context manager.

    Args:
        keys: The run's keys.
        disk: What the disk is known by.

    Raises:
        OSError: It cannot be written down.
    """

    def __init__(self, keys: Keys, disk: str) -> None:
        self.path = directory() / f"{keys.run:06x}"
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        while True:
            self._file = self.path.open("a")
            fcntl.flock(self._file.fileno(), fcntl.LOCK_EX)
            if self.path.exists() and self.path.samefile(f"/proc/self/fd/{self._file.fileno()}"):
                break  # nobody took it for that of a run that was killed, before it was locked
            self._file.close()
        json.dump({"disk": disk, "process": os.getpid()}, self._file)
        self._file.flush()
        os.fsync(self._file.fileno())

    def forget(self) -> None:
        """Remove the file: no key is left."""
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let the file go."""
        self._file.close()


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
