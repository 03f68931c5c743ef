"""The processes behind `qemu_pr.devices.isolated`: one that forks, and one for each disk.

::

    a thread of the helper  ------- a socket ----->  the forking process
            |                                              | fork
            +-- descriptor, CDB, data --------------->  the disk's process
            <-- completion ---------------------------

A disk's process keeps warm what it has loaded, and ends after some minutes without one. One that
crashes, or hangs for too long, is replaced at the next command. The forking process looks whether
those who have a disk open leave it.
"""

import math
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable
from functools import partial
from time import monotonic

from qemu_pr.devices import FAILED, Device, DeviceError
from qemu_pr.devices.isolated import NOT_CARRIED_OUT, PROCESS_NAME, REPLY
from qemu_pr.forked import fork
from qemu_pr.protocol import CDB_SIZE, MAX_DATA_SIZE
from qemu_pr.scsi.status import Completion

REST = 300
"""Seconds without a command after which a disk's process ends. A new one's first command takes
several times as long, and clusters look after their reservations once a minute."""

LOOK = 1
"""Seconds between two looks at what is left to do."""

_WATCH = 5  # seconds between two looks at who has a disk open

_ANCILLARY_SIZE = socket.CMSG_SPACE(struct.calcsize("i"))
_MESSAGE_SIZE_MAX = CDB_SIZE + MAX_DATA_SIZE


class OutdatedError(Exception):
    """A device cannot carry a command out any more, and did nothing; one in a new process can."""


class IsolatedDevice(Device):
    """A device that these processes use. They call it in one thread, and each has its own."""

    def look_after(self) -> str:
        """Do what commands left to do, in a disk's process, each `LOOK` seconds after the first.

        Returns:
            A line for the log, or nothing.
        """
        return ""

    def has_lost_a_user(self, device: int) -> bool:  # noqa: ARG002
        """Tell, in the forking process, whether somebody closed a disk since the last call.

        Args:
            device: The number of its block device.
        """
        return False

    def after_a_user(self, device: int) -> str:  # noqa: ARG002
        """Do, in a process for that alone, what is to be done after somebody left a disk.

        Args:
            device: The number of its block device.

        Returns:
            A line for the log, or nothing.
        """
        return ""


def live(
    wanted: socket.socket,
    load: Callable[[], Device],
    prepare: Callable[[], None],
    limit: int,
) -> int:
    """Fork a process for each disk, until the process that sends commands is gone.

    Args:
        wanted: Brings sockets; each wants a process at its other end.
        load: Imports and gives the device, an `IsolatedDevice`.
        prepare: Gives up privileges.
        limit: Seconds that a command may take.

    Returns:
        The exit status.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # none is waited for
    device = _loaded(load)
    prepare()
    _close_all_but(wanted.fileno())
    poller = select.poll()
    poller.register(wanted, select.POLLIN)
    used: set[int] = set()
    watch = math.inf  # until there is something to see
    while True:
        if watch <= monotonic():
            watch = monotonic() + _WATCH
            for disk in filter(device.has_lost_a_user, used):
                _fork(wanted, limit, partial(_tell_after_a_user, device, disk))
        if not poller.poll(_milliseconds_until(watch)):
            continue
        message, passed = _receive(wanted)
        if not message:
            return 0
        used.add(int(message))
        watch = min(watch, monotonic() + _WATCH)
        for descriptor in passed:  # else this process has as many open as it may
            _fork(wanted, 0, partial(_serve_disk, descriptor, device, limit))
            os.close(descriptor)


def _fork(wanted: socket.socket, limit: int, life: Callable[[], None]) -> None:
    """Fork a process for a function; without one, the socket that it has ends without a word."""

    def live() -> int:
        wanted.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.alarm(limit)
        life()
        return 0

    try:
        fork(PROCESS_NAME, live)
    except OSError:
        pass


def _tell_after_a_user(device: IsolatedDevice, disk: int) -> None:
    _log(device.after_a_user(disk))


def _log(line: str) -> None:
    if line:
        print(f"qemu-pr-helper: {line}", file=sys.stderr, flush=True)


class _Unavailable(IsolatedDevice):
    """What stands in for a device that could not be loaded."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def execute(self, fd: int, cdb: bytes, data_out: bytes) -> Completion:  # noqa: ARG002
        """Refuse a command, with the reason."""
        raise DeviceError(self._reason)


def _loaded(load: Callable[[], Device]) -> IsolatedDevice:
    try:
        device = load()
        assert isinstance(device, IsolatedDevice)
        return device
    except Exception as error:
        return _Unavailable(f"what carries this out cannot be loaded: {error!r}; reinstall it")


def _serve_disk(descriptor: int, device: IsolatedDevice, limit: int) -> None:
    """Carry out commands until there is none for a while, or nobody left to send any."""
    connection = socket.socket(fileno=descriptor)
    poller = select.poll()
    poller.register(connection, select.POLLIN)
    look, end = math.inf, math.inf  # until the first command
    while True:
        if look <= monotonic():
            signal.alarm(limit)  # ends this process
            _log(device.look_after())
            signal.alarm(0)
            look = monotonic() + LOOK
        if not poller.poll(_milliseconds_until(min(look, end))):
            if monotonic() < end:
                continue
            # What was sent before is still read; what comes later finds nobody, and goes elsewhere.
            connection.shutdown(socket.SHUT_RD)
        message, passed = _receive(connection)
        if not message:
            return
        try:
            reply = _carry_out(device, passed, message, limit)
        except OutdatedError:
            connection.send(NOT_CARRIED_OUT)
            return
        connection.send(reply)
        for fd in passed:
            os.close(fd)
        look, end = min(look, monotonic() + LOOK), monotonic() + REST


def _milliseconds_until(time: float) -> float | None:
    return None if time == math.inf else max(time - monotonic(), 0) * 1000


def _carry_out(device: IsolatedDevice, passed: list[int], message: bytes, limit: int) -> bytes:
    reason = ""
    signal.alarm(limit)  # ends this process
    try:
        completion = device.execute(passed[0], message[:CDB_SIZE], message[CDB_SIZE:])
    except DeviceError as error:
        completion, reason = error.completion, str(error)
    except OutdatedError:
        raise
    except Exception as error:  # a defect: it is to be found in the log
        completion, reason = FAILED, repr(error)
    finally:
        signal.alarm(0)
    head = REPLY.pack(completion.status, len(completion.sense), len(completion.data))
    return head + completion.sense + completion.data + reason.encode()


def _receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    message, ancillary, _, _ = connection.recvmsg(_MESSAGE_SIZE_MAX, _ANCILLARY_SIZE)
    return message, [fd for _, _, data in ancillary for (fd,) in struct.iter_unpack("i", data)]


def _close_all_but(kept: int) -> None:
    """Keep the standard descriptors and one: neither a socket nor a lock must live on in here."""
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))
