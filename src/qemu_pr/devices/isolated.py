"""Carrying out each command in a process of its own, for devices that may block for ever or crash.

A process that serves many clients has threads, and has given up privileges; neither is good to
fork from. So `Isolated` forks once, early: a process that does nothing but fork again, for every
command.

    a thread of the helper  --fd, CDB, data, socket-->  the forking process  --fork-->  one command
                            <--------------------- completion ----------------------

A command that takes too long is given up; its process ends as soon as the kernel lets it. Until
then no other command is sent to the same disk, so stuck processes do not pile up.
"""

import os
import select
import socket
import stat
import struct
import time
from _thread import allocate_lock
from collections.abc import Callable

from qemu_pr.devices import Device, DeviceError
from qemu_pr.forked import fork
from qemu_pr.scsi.sense import COMMAND_TIMEOUT_DURING_PROCESSING
from qemu_pr.scsi.status import Completion

LIMIT = 30
"""Seconds that a command may take, as long as an ordinary disk has."""

REPLY = struct.Struct("!III")
"""Status, size of the sense data, size of the data; then these, and a reason for the log."""

_GIVEN_UP = Completion.check_condition(COMMAND_TIMEOUT_DURING_PROCESSING)


PROCESS_NAME = "qemu-pr-maps"
"""What ps(1) calls the processes."""


class _Disk:
    """What is remembered of a disk: whose turn it is, and the reply that nobody waits for."""

    def __init__(self) -> None:
        self.turn = allocate_lock()
        self.late: socket.socket | None = None


class Isolated(Device):
    """A device whose commands are carried out in processes of their own, one at a time a disk.

    Attributes:
        process: The ID of the process that forks; it ends when this one does, or is killed.
    """

    def __init__(
        self, load: Callable[[], Device], prepare: Callable[[], None], *, limit: int = LIMIT
    ) -> None:
        """Fork. To be called while this process has one thread only.

        Args:
            load: Imports and gives the device; called there at once, with all privileges. If it
                fails, each command does, with the reason.
            prepare: Called there next, to give up privileges.
            limit: Seconds that a command may take.

        Raises:
            OSError: The system refuses another process.
        """
        self._limit = limit
        self._disks: dict[int, _Disk] = {}
        # The kernel keeps the messages of several threads apart.
        self._commands, commands = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

        def live() -> int:
            from qemu_pr.devices.isolated_process import live  # in that process alone

            return live(commands, load, prepare, limit)

        self.process = fork(PROCESS_NAME, live)
        commands.close()

    def leave(self) -> None:
        """Let go of it in a process that does not use it."""
        self._commands.close()

    def execute(self, fd: int, cdb: bytes, data_out: bytes) -> Completion:
        """Carry out one command; see `qemu_pr.devices.Device`. Safe in any thread.

        Raises:
            DeviceError: The command took too long, or its process ended without a word.
        """
        deadline = time.monotonic() + self._limit + 1
        disk = self._disks.setdefault(_identity(fd), _Disk())
        if not disk.turn.acquire(timeout=self._limit):
            raise DeviceError("the disk is busy with an earlier command", _GIVEN_UP)
        try:
            if disk.late and not _ends(disk.late, deadline):
                raise DeviceError("the disk still hangs in an earlier command", _GIVEN_UP)
            disk.late = None
            reply, theirs = socket.socketpair()
            try:
                self._send(fd, cdb + data_out, theirs)
            finally:
                theirs.close()
            if not _ends(reply, deadline):
                disk.late = reply
                raise DeviceError(f"no answer for {self._limit} s; given up", _GIVEN_UP)
            try:
                return _decode(b"".join(iter(lambda: reply.recv(65536), b"")))
            finally:
                reply.close()
        finally:
            disk.turn.release()

    def _send(self, fd: int, message: bytes, reply: socket.socket) -> None:
        try:
            rights = struct.pack("2i", fd, reply.fileno())
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]
            self._commands.sendmsg([message], ancillary)
        except OSError as error:
            raise DeviceError(
                f"the process that carries out its commands is gone ({error.strerror});"
                " restart this helper"
            ) from None


def _identity(fd: int) -> int:
    """Tell disks apart: a block device by its number, another file by its inode."""
    status = os.fstat(fd)
    return status.st_rdev if stat.S_ISBLK(status.st_mode) else status.st_ino


def _ends(reply: socket.socket, deadline: float) -> bool:
    """Wait until the process at the other end is gone; it has replied then, or never will."""
    poller = select.poll()
    poller.register(reply, select.POLLRDHUP)
    return bool(poller.poll(max(deadline - time.monotonic(), 0) * 1000))


def _decode(reply: bytes) -> Completion:
    if len(reply) < REPLY.size:
        raise DeviceError("the process that carried it out ended without a word: did it crash?")
    status, sense_size, data_size = REPLY.unpack_from(reply)
    data_start = REPLY.size + sense_size
    reason_start = data_start + data_size
    completion = Completion(status, reply[REPLY.size : data_start], reply[data_start:reason_start])
    if reason := reply[reason_start:].decode():
        raise DeviceError(reason, completion)
    return completion
