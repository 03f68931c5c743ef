"""Carrying out each command in a process of its own, for devices that may block for ever or crash.

A process that serves many clients has threads, and has given up privileges; neither is good to
fork from. So `Isolated` forks once, early: a process that does nothing but fork again, for every
command. It imports what the device needs when the first command comes.

    a thread of the helper  --fd, CDB, data, socket-->  the forking process  --fork-->  one command
                            <--------------------- completion ----------------------

A command that takes too long is given up; its process ends as soon as the kernel lets it. Until
then no other command is sent to the same disk, so stuck processes do not pile up.
"""

from __future__ import annotations

import _socket as socket  # without enum, as below
import os
import select
import stat
import struct
import time
from _thread import allocate_lock

from qemu_pr.devices import FAILED, DeviceError
from qemu_pr.forked import end_with
from qemu_pr.protocol import CDB_SIZE, MAX_DATA_SIZE
from qemu_pr.scsi.completion import Completion
from qemu_pr.scsi.sense import COMMAND_TIMEOUT_DURING_PROCESSING

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable

    from qemu_pr.devices import Device
else:
    import _signal as signal

LIMIT = 30
"""Seconds that a command may take, as long as an ordinary disk has."""

_REPLY = struct.Struct("!III")  # status, size of the sense data, size of the data; a reason follows
_ANCILLARY_SIZE = socket.CMSG_SPACE(struct.calcsize("2i"))
_MESSAGE_SIZE_MAX = CDB_SIZE + MAX_DATA_SIZE
_GIVEN_UP = Completion.check_condition(COMMAND_TIMEOUT_DURING_PROCESSING)


class _Disk:
    """What is remembered of a disk: whose turn it is, and the reply that nobody waits for."""

    def __init__(self) -> None:
        self.turn = allocate_lock()
        self.late: socket.socket | None = None


class Isolated:
    """A device whose commands are carried out in processes of their own, one at a time a disk."""

    def __init__(
        self, load: Callable[[], Device], prepare: Callable[[], None], *, limit: int = LIMIT
    ) -> None:
        """Fork. To be called while this process has one thread only.

        Args:
            load: Imports and gives the device; called there, when the first command comes.
            prepare: Called there at once, to give up privileges.
            limit: Seconds that a command may take.

        Raises:
            OSError: The system refuses another process.
        """
        self._limit = limit
        self._disks: dict[int, _Disk] = {}
        # The kernel keeps the messages of several threads apart.
        self._commands, commands = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

        def live() -> None:
            prepare()
            _close_all_but(commands.fileno())
            _fork_for_each_command(commands, load, limit)

        if os.fork() == 0:
            end_with(live)
        commands.close()

    def leave(self) -> None:
        """Let go of it in a process that was forked off, and must not use it."""
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
                return _decode(_read(reply))
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


def _read(reply: socket.socket) -> bytes:
    return b"".join(iter(lambda: reply.recv(65536), b""))


def _fork_for_each_command(commands: socket.socket, load: Callable[[], Device], limit: int) -> None:
    """Fork until the process that sends commands is gone."""
    device: Device | None = None
    while True:
        message, ancillary, _, _ = commands.recvmsg(_MESSAGE_SIZE_MAX, _ANCILLARY_SIZE)
        if not message:
            return
        fd, reply = struct.unpack("2i", ancillary[0][2])
        device = device or load()
        try:
            if os.fork() == 0:
                commands.close()
                end_with(lambda: _carry_out(device, fd, message, reply, limit))  # noqa: B023
        except OSError:  # no process: the reply ends without a word
            pass
        os.close(fd)
        os.close(reply)


def _carry_out(device: Device, fd: int, message: bytes, reply: int, limit: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.alarm(limit)
    reason = ""
    try:
        completion = device.execute(fd, message[:CDB_SIZE], message[CDB_SIZE:])
    except DeviceError as error:
        completion, reason = error.completion, str(error)
    except Exception as error:  # a defect: it is to be found in the log
        completion, reason = FAILED, repr(error)
    head = _REPLY.pack(completion.status, len(completion.sense), len(completion.data))
    connection = socket.socket(fileno=reply)
    connection.sendall(head + completion.sense + completion.data + reason.encode())


def _decode(reply: bytes) -> Completion:
    if len(reply) < _REPLY.size:
        raise DeviceError("the process that carried it out ended without a word: did it crash?")
    status, sense_size, data_size = _REPLY.unpack_from(reply)
    data_start = _REPLY.size + sense_size
    reason_start = data_start + data_size
    completion = Completion(status, reply[_REPLY.size : data_start], reply[data_start:reason_start])
    if reason := reply[reason_start:].decode():
        raise DeviceError(reason, completion)
    return completion


def _close_all_but(kept: int) -> None:
    """Keep the standard descriptors and one: neither a socket nor a lock must live on in here."""
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))
