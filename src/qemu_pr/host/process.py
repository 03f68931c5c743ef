"""What /proc tells of a process, and which processes are helpers and guests."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

CAP_DAC_OVERRIDE = 1
CAP_SYS_RAWIO = 17
CAP_SYS_ADMIN = 21

_HELPER = frozenset({"qemu-pr-helper", "qemu_pr.cli.qemu_pr_helper"})
_HELPER_WORDS = 4  # python -m and options may come before
_QEMU = re.compile(r"(qemu-system-\w+|qemu-kvm|kvm)\Z")
_EVERY_USER = ["0", "0", str(2**32 - 1)]


@dataclass(frozen=True)
class Process:
    """A process; it may be gone at any time, and then has nothing to tell.

    Attributes:
        proc: The directory of all processes.
        pid: Its process ID.
    """

    proc: Path
    pid: int

    @cached_property
    def command_line(self) -> str:
        """Its arguments, with a zero byte behind each."""
        return os.fsdecode(self._read("cmdline"))

    @property
    def arguments(self) -> list[str]:
        """Its arguments; none for a thread of the kernel."""
        return self.command_line.rstrip("\0").split("\0") if self.command_line else []

    @property
    def name(self) -> str:
        """Its program, and the name of the guest if it has one: for people."""
        arguments = self.arguments
        program = os.path.basename(arguments[0]) if arguments else "a program"
        if self.is_helper:
            program = "qemu-pr-helper"
        guest = ""
        if "-name" in arguments[:-1]:
            given = arguments[arguments.index("-name") + 1]
            guest = " " + given.removeprefix("guest=").partition(",")[0]
        return f"{program}{guest}, process {self.pid}"

    @property
    def is_helper(self) -> bool:
        """Whether it is a qemu-pr-helper, ours or QEMU's."""
        return not _HELPER.isdisjoint(map(os.path.basename, self.arguments[:_HELPER_WORDS]))

    @property
    def is_guest(self) -> bool:
        """Whether it is a QEMU that was told of a reservation manager."""
        return "pr-manager" in self.command_line and bool(
            _QEMU.match(os.path.basename(self.arguments[0]))
        )

    @property
    def is_of_this_package(self) -> bool:
        """Whether a helper is ours: QEMU's is no Python program."""
        return os.path.basename(self.arguments[0]).startswith("python")

    @cached_property
    def status(self) -> dict[str, str]:
        """What /proc/PID/status says, by name."""
        lines = os.fsdecode(self._read("status")).split("\n")  # a name may hold a form feed
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    @property
    def parent(self) -> int:
        """The process ID of its parent; 0 if it is gone."""
        return int(self.status.get("PPid", "0"))

    @property
    def first(self) -> "Process":
        """The process that forked it for a part of its work, if one did: the one to be stopped."""
        parent = Process(self.proc, self.parent)
        return parent if parent.command_line == self.command_line else self

    @property
    def user(self) -> int:
        """Its effective user ID."""
        return int(self.status.get("Uid", "0 0").split()[1])

    @property
    def groups(self) -> set[int]:
        """Its effective group ID, and the supplementary ones."""
        group = self.status.get("Gid", "0 0").split()[1]
        return {int(group), *map(int, self.status.get("Groups", "").split())}

    def may(self, capability: int) -> bool:
        """Tell whether it has a capability in effect."""
        return bool(int(self.status.get("CapEff", "0"), 16) >> capability & 1)

    @property
    def is_in_user_namespace(self) -> bool:
        """Whether its capabilities count for nothing that belongs to the whole host."""
        users = os.fsdecode(self._read("uid_map")).split()
        return bool(users) and users != _EVERY_USER

    def maps_library(self, name: str) -> bool | None:
        """Tell whether it has loaded a library; None if this user may not know."""
        try:
            return name in os.fsdecode((self._directory / "maps").read_bytes())
        except OSError:
            return None

    def sockets(self) -> set[str]:
        """Give the inodes of its sockets; none if this user may not know."""
        links = self._links()
        return {link[8:-1] for link in links if link.startswith("socket:[")}

    def _links(self) -> Iterator[str]:
        with suppress(OSError):  # another user's, or gone
            for link in (self._directory / "fd").iterdir():
                with suppress(FileNotFoundError):  # closed by now
                    yield os.readlink(link)

    def file(self, path: str) -> str:
        """Give the path by which this process here sees a file that the other one names."""
        try:
            theirs, ours = (
                os.readlink(directory / "ns/mnt")
                for directory in (self._directory, self.proc / "self")
            )
        except OSError:
            return path
        return path if theirs == ours else f"{self._directory}/root{path}"

    @property
    def _directory(self) -> Path:
        return self.proc / str(self.pid)

    def _read(self, name: str) -> bytes:
        try:
            return (self._directory / name).read_bytes()
        except OSError:
            return b""


def eldest(family: Sequence[Process]) -> Process | None:
    """Give the process that none of the others started; None if there is no process.

    Its process ID may be the highest: those below may be used up.
    """
    pids = {one.pid for one in family}
    return next((one for one in family if one.parent not in pids), None)


def processes(proc: Path) -> Iterator[Process]:
    """List the processes of a host, by process ID."""
    for number in sorted(int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()):
        yield Process(proc, number)
