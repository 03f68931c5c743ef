"""What there is to look at: sockets, helpers, guests, disks and maps. Each is read once."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from qemu_pr.doctor.contact import Contact, contact
from qemu_pr.doctor.disk import ExaminedDisk
from qemu_pr.host.asking import ask_each
from qemu_pr.host.block_devices import OF_THIS_HOST, BlockDevices, device_number
from qemu_pr.host.paths import THIS_ROOT, plain, under
from qemu_pr.host.process import Process, eldest, processes
from qemu_pr.host.sockets import listening
from qemu_pr.host.wwids import Devices, Map
from qemu_pr.lint.check import Report, check
from qemu_pr.lint.command import Command
from qemu_pr.lint.readers import commands
from qemu_pr.manager import DEFAULT_PATH
from qemu_pr.multipath_conf.configuration import Configuration
from qemu_pr.multipath_conf.running import running_configuration

_SYSTEMD = 1


@dataclass(frozen=True)
class Guest:
    """A running QEMU that was told of a reservation manager.

    Attributes:
        process: Its process.
        block_devices: The disks of its host.
    """

    process: Process
    block_devices: BlockDevices = OF_THIS_HOST

    @cached_property
    def reports(self) -> list[Report]:
        """What is to be said of its command line."""
        return check(self.process.command_line, self.block_devices)

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
        found = eldest([one for one in helpers if inode in one.sockets()])
        return found.first if found else listener

    @property
    def helper(self) -> Process | None:
        """The helper that answers, None if there is none or another program does."""
        return self.peer if self.peer and self.peer.is_helper else None


@dataclass(frozen=True)
class Host:
    """A host, and what an operator asks of it.

    Attributes:
        named: The disks that were named.
        socket: The helper's socket, if it was named.
        proc: The directory of processes; another one serves in tests, and so with the rest.
        sys: The directory of devices.
        etc: The directory of configuration files.
        root: The directory that is the host's ``/``.
    """

    named: Sequence[str] = ()
    socket: str | None = None
    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    etc: Path = Path("/etc")
    root: Path = THIS_ROOT

    @classmethod
    def below(cls, root: Path, named: Sequence[str], socket: str | None) -> "Host":
        """Give the host whose file system is below a directory; ``/`` is this one.

        Args:
            root: The directory.
            named: Disks, as that host names them.
            socket: The helper's socket, as that host names it.
        """
        return cls(named, socket, root / "proc", root / "sys", root / "etc", root)

    @property
    def is_this_one(self) -> bool:
        """Whether programs and libraries of this process's system are the host's."""
        return self.root == THIS_ROOT

    @cached_property
    def runs(self) -> bool:
        """Whether there are processes: a file system alone has none."""
        return any(processes(self.proc))

    @property
    def block_devices(self) -> BlockDevices:
        """What its kernel knows of disks."""
        return BlockDevices(self.root)

    def file(self, path: str) -> str:
        """Give the path by which this process sees a file of the host."""
        return path if self.is_this_one else under(self.root, plain(path))

    @cached_property
    def guests(self) -> list[Guest]:
        """The guests that run; of a socket that was named, those that connect to it.

        To be asked for first while this process has one thread only: where the disks of guests are
        is found out by processes of its own.
        """
        numbers = {path: number for path, (_, number) in self._places.items()}
        devices = BlockDevices(self.root, numbers)
        found = [Guest(process, devices) for process in self._processes_of_guests]
        if self.socket is None:
            return found
        return [
            guest for guest in found if any(self._is_named(guest, one) for one in guest.sockets)
        ]

    @cached_property
    def _processes_of_guests(self) -> list[Process]:
        return [process for process in processes(self.proc) if process.is_guest]

    @cached_property
    def _places(self) -> dict[str, tuple[str, int | None]]:
        """Where the paths lead that guests name: the node, and its number if it is a disk.

        A guest's owner chooses what it names, a file system that never answers as well: each path
        is followed by a process of its own, and one that gets no answer leads nowhere.
        """
        guests = map(Guest, self._processes_of_guests)
        paths = list(dict.fromkeys(path for guest in guests for path in guest.disks))
        found = ask_each(paths, lambda path: (self._node(path), device_number(self.file(path))))
        return {path: tuple(found[number]) for number, path in enumerate(paths) if number in found}

    def _is_named(self, guest: Guest, path: str) -> bool:
        """Tell whether a socket of a guest is the one that was named."""
        if self.is_this_one:
            return guest.process.file(path) == self.socket
        return plain(path) == plain(self.socket or "")

    @cached_property
    def sockets(self) -> list[Socket]:
        """The sockets to look at: that which was named, or those of the guests, or the default."""
        if not self.runs:
            return []
        wanted: dict[tuple[str, str], list[Guest]] = {}
        for guest in self.guests:
            for path in guest.sockets:
                if self.socket is None or self._is_named(guest, path):
                    wanted.setdefault((path, guest.process.file(path)), []).append(guest)
        otherwise = self.socket or DEFAULT_PATH
        wanted = wanted or {(otherwise, self.file(otherwise)): []}
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
    def disks(self) -> list[ExaminedDisk]:
        """The disks that were named."""
        return [ExaminedDisk(path, self.block_devices) for path in self.named]

    @cached_property
    def maps(self) -> list[Map]:
        """The multipath maps in use: of the disks that are known; all, if no disk is known."""
        devices = Devices(sys=self.sys)
        maps = devices.maps()
        known = self.block_devices
        nodes = {self._node(known.map_of_path(path) or path) for path in self.named}
        for guest in self.guests:
            for path in guest.disks:
                owner = guest.block_devices.map_of_path(path)
                nodes.add(self._node(owner) if owner else self.node_of_guest(path))
        if not nodes or not maps:
            return maps
        return [one for one in maps if self._node(f"/dev/mapper/{one.name}") in nodes]

    def node_of_guest(self, path: str) -> str:
        """Tell where a path leads that a guest names; nothing if the way there does not end."""
        return self._places.get(path, ("", None))[0]

    def _node(self, path: str) -> str:
        return os.path.realpath(self.file(path))

    @cached_property
    def multipathd(self) -> Configuration | None:
        """What multipathd runs with; None if it does not answer, or is another host's."""
        return running_configuration() if self.is_this_one else None
