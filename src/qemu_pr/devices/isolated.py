"""Carrying out commands in a process for each disk, for devices that may block for ever or crash.

A process that serves many clients has threads, and has given up privileges; neither is good to
fork from. So `Isolated` forks once, early: see `qemu_pr.devices.isolated_process`. A command that
takes too long is given up, and its process ends as soon as the kernel lets it. Until then no other
command is sent to the same disk, so stuck processes do not pile up.
"""

import os
import select
import socket
import struct
from _thread import allocate_lock
from collections.abc import Callable
from time import monotonic

from qemu_pr.devices import Device, DeviceError
from qemu_pr.forked import fork
from qemu_pr.scsi.sense import COMMAND_TIMEOUT_DURING_PROCESSING
from qemu_pr.scsi.status import Completion

LIMIT = 30  # seconds that a command may take, as long as an ordinary disk has
PROCESS_NAME = "qemu-pr-maps"  # for ps(1)

REPLY = struct.Struct("!III")  # status, size of sense, size of data; then these, and a reason
NOT_CARRIED_OUT = b"\0"  # the reply of a process that leaves the command to another one
_GIVEN_UP = Completion.check_condition(COMMAND_TIMEOUT_DURING_PROCESSING)


class _Disk:
    """What is remembered of a disk: whose turn it is, its process, and one that is given up."""

    def __init__(self) -> None:
        self.turn = allocate_lock()
        self.process: socket.socket | None = None
        self.late: socket.socket | None = None


class Isolated(Device):
    """A device whose commands are carried out in a process for each disk, one at a time.

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
        self._wanted, wanted = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

        def live() -> int:
            from qemu_pr.devices.isolated_process import live  # in that process alone

            return live(wanted, load, prepare, limit)

        self.process = fork(PROCESS_NAME, live)
        wanted.close()

    def leave(self) -> None:
        """Let go of it in a process that does not use it."""
        self._wanted.close()

    def execute(self, fd: int, cdb: bytes, data_out: bytes) -> Completion:
        """Carry out one command; see `qemu_pr.devices.Device`. Safe in any thread.

        Raises:
            DeviceError: The command took too long, or its process ended without a word.
        """
        deadline = monotonic() + self._limit + 1
        file = os.fstat(fd)
        disk = self._disks.setdefault(file.st_rdev or file.st_ino, _Disk())
        if not disk.turn.acquire(timeout=self._limit):
            raise DeviceError("the disk is busy with an earlier command", _GIVEN_UP)
        try:
            if disk.late and not _has_answered(disk.late, deadline):
                raise DeviceError("the disk still hangs in an earlier command", _GIVEN_UP)
            disk.late = None
            return self._ask(disk, fd, cdb + data_out, deadline)
        finally:
            disk.turn.release()

    def _ask(self, disk: _Disk, fd: int, message: bytes, deadline: float) -> Completion:
        """Have the disk's process carry it out, or a new one if that has ended, or wants to."""
        for _ in range(2):
            process, disk.process = disk.process or self._another_process(fd), None
            try:
                _send(process, message, fd)
                if not _has_answered(process, deadline):
                    disk.late = process
                    raise DeviceError(f"no answer for {self._limit} s; given up", _GIVEN_UP)
                reply = process.recv(1 << 15)
            except ConnectionError:  # it ended, and has not seen the message
                continue
            if len(reply) >= REPLY.size:
                disk.process = process
                return _decode(reply)
            if reply != NOT_CARRIED_OUT:
                raise DeviceError("its process ended without a word: did it crash?")
        raise DeviceError("the system has no process to carry it out")

    def _another_process(self, fd: int) -> socket.socket:
        connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            _send(self._wanted, b"%d" % os.fstat(fd).st_rdev, theirs.fileno())
        except OSError as error:
            raise DeviceError(f"its processes are gone ({error}); restart this helper") from None
        theirs.close()
        return connection


def _send(to: socket.socket, message: bytes, fd: int) -> None:
    to.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", fd))])


def _has_answered(process: socket.socket, deadline: float) -> bool:
    """Wait until a process has answered, or is gone."""
    poller = select.poll()
    poller.register(process, select.POLLIN)
    return bool(poller.poll(max(deadline - monotonic(), 0) * 1000))


def _decode(reply: bytes) -> Completion:
    status, sense_size, data_size = REPLY.unpack_from(reply)
    data_start = REPLY.size + sense_size
    reason_start = data_start + data_size
    completion = Completion(status, reply[REPLY.size : data_start], reply[data_start:reason_start])
    if reason := reply[reason_start:].decode():
        raise DeviceError(reason, completion)
    return completion
