"""What there is to look at: sockets, helpers, guests, disks and maps. Each is read once."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from qemu_pr.doctor.contact import Contact, contact
from qemu_pr.doctor.disk import Disk
from qemu_pr.doctor.process import Process, eldest, processes
from qemu_pr.lint.block_devices import OF_THIS_HOST
from qemu_pr.lint.check import Report, check
from qemu_pr.lint.command import Command, plain
from qemu_pr.lint.readers import commands
from qemu_pr.manager import DEFAULT_PATH
from qemu_pr.multipath_conf.configuration import Configuration
from qemu_pr.multipath_conf.running import running_configuration
from qemu_pr.multipath_conf.wwids import Host as Devices
from qemu_pr.multipath_conf.wwids import Map

_SYSTEMD = 1


@dataclass(frozen=True)
class Guest:
    """A running QEMU that was told of a reservation manager."""

    process: Process

    @cached_property
    def reports(self) -> list[Report]:
        """What is to be said of its command line."""
        return check(self.process.command_line, OF_THIS_HOST)

    @cached_property
    def commands(self) -> list[Command]:
        """What it was told."""
        return commands(self.process.command_line)

    @property
    def sockets(self) -> list[str]:
        """The sockets that it connects to; relative paths are a fault that lint finds."""
        given = [path for command in self.commands for path in command.sockets_of_managers]
        return [path for path in given if path.startswith("/")]

    @property
    def disks(self) -> list[str]:
        """The disks that it has managers for."""
        return [disk.path for command in self.commands for disk in command.disks if disk.path]


@dataclass(frozen=True)
class Socket:
    """A socket on which a helper must answer.

    Attributes:
        path: As QEMU or the operator names it.
        file: The path by which this process sees it.
        guests: The guests that connect to it.
        proc: The directory of all processes.
    """

    path: str
    file: str
    guests: tuple[Guest, ...]
    proc: Path

    @cached_property
    def contact(self) -> Contact:
        """Who answers."""
        return contact(self.file)

    @property
    def answers(self) -> bool:
        """Whether somebody greets like a helper."""
        return not self.contact.error

    @cached_property
    def peer(self) -> Process | None:
        """The process that answers, None if that cannot be told.

        If systemd made the socket, it is the helper that has the same socket open, and only root
        may know which one has.
        """
        if not self.answers or not self.contact.pid:
            return None
        listener = Process(self.proc, self.contact.pid)
        if listener.is_helper:
            return listener
        if listener.pid == _SYSTEMD and os.geteuid() != 0:
            return None
        inode = next((one.inode for one in listening(self.proc) if one.is_at(self.path)), None)
        helpers = (one for one in processes(self.proc) if one.is_helper)
        return eldest([one for one in helpers if inode in one.sockets()]) or listener

    @property
    def helper(self) -> Process | None:
        """The helper that answers, None if there is none or another program does."""
        return self.peer if self.peer and self.peer.is_helper else None


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
    found = []
    for line in os.fsdecode((proc / "net/unix").read_bytes()).splitlines()[1:]:
        fields = line.split(maxsplit=7)
        if len(fields) == 8 and int(fields[3], 16) & 0x10000:  # __SO_ACCEPTCON
            found.append(Listening(fields[7], fields[6]))
    return found


@dataclass(frozen=True)
class Host:
    """A host, and what an operator asks of it.

    Attributes:
        named: The disks that were named.
        socket: The helper's socket, if it was named.
        proc: The directory of processes; another one serves in tests, and so with the rest.
        sys: The directory of devices.
        etc: The directory of configuration files.
    """

    named: Sequence[str] = ()
    socket: str | None = None
    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    etc: Path = Path("/etc")

    @cached_property
    def guests(self) -> list[Guest]:
        """The guests that run; of a socket that was named, those that connect to it."""
        found = [Guest(process) for process in processes(self.proc) if process.is_guest]
        if self.socket is None:
            return found
        return [guest for guest in found if self.socket in map(guest.process.file, guest.sockets)]

    @cached_property
    def sockets(self) -> list[Socket]:
        """The sockets to look at: that which was named, or those of the guests, or the default."""
        wanted: dict[tuple[str, str], list[Guest]] = {}
        for guest in self.guests:
            for path in guest.sockets:
                wanted.setdefault((path, guest.process.file(path)), []).append(guest)
        if self.socket is not None:
            wanted = {key: guests for key, guests in wanted.items() if key[1] == self.socket}
        otherwise = self.socket or DEFAULT_PATH
        wanted = wanted or {(otherwise, otherwise): []}
        return [Socket(*key, tuple(guests), self.proc) for key, guests in wanted.items()]

    @cached_property
    def helpers(self) -> list[tuple[Socket, Process]]:
        """The helpers that answer, each with its socket."""
        return [(one, one.helper) for one in self.sockets if one.helper]

    def helper_sockets_elsewhere(self) -> list[str]:
        """List where else helpers listen, as far as this user may know."""
        inodes = {
            inode
            for process in processes(self.proc)
            if process.is_helper
            for inode in process.sockets()
        }
        known = {plain(one.path) for one in self.sockets}
        return sorted(
            one.path
            for one in listening(self.proc)
            if one.inode in inodes and plain(one.path) not in known
        )

    @cached_property
    def disks(self) -> list[Disk]:
        """The disks that were named."""
        return [Disk(path) for path in self.named]

    @cached_property
    def maps(self) -> list[Map]:
        """The multipath maps in use: of the disks that are known; all, if no disk is known."""
        devices = Devices(sys=self.sys)
        maps = devices.maps()
        paths = [*self.named, *(path for guest in self.guests for path in guest.disks)]
        if not paths or not maps:
            return maps
        nodes = {os.path.realpath(OF_THIS_HOST.map_of_path(path) or path) for path in paths}
        return [one for one in maps if os.path.realpath(f"/dev/mapper/{one.name}") in nodes]

    @cached_property
    def multipathd(self) -> Configuration | None:
        """What multipathd runs with; None if it does not answer."""
        return running_configuration()
