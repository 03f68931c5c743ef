"""The process behind `qemu_pr.devices.isolated`, which does nothing but fork for each command."""

import os
import signal
import socket
import struct
from collections.abc import Callable

from qemu_pr.devices import FAILED, Device, DeviceError
from qemu_pr.devices.isolated import PROCESS_NAME, REPLY
from qemu_pr.forked import fork
from qemu_pr.protocol import CDB_SIZE, MAX_DATA_SIZE
from qemu_pr.scsi.status import Completion

_ANCILLARY_SIZE = socket.CMSG_SPACE(struct.calcsize("2i"))
_MESSAGE_SIZE_MAX = CDB_SIZE + MAX_DATA_SIZE


def live(
    commands: socket.socket,
    load: Callable[[], Device],
    prepare: Callable[[], None],
    limit: int,
) -> int:
    """Fork for each command, until the process that sends them is gone.

    Args:
        commands: Brings commands, each with a descriptor and a socket for its reply.
        load: Imports and gives the device.
        prepare: Gives up privileges.
        limit: Seconds that a command may take.

    Returns:
        The exit status.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # none is waited for
    device = _loaded(load)
    prepare()
    _close_all_but(commands.fileno())
    _fork_for_each_command(commands, device, limit)
    return 0


class _Unavailable(Device):
    """What stands in for a device that could not be loaded."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def execute(self, fd: int, cdb: bytes, data_out: bytes) -> Completion:  # noqa: ARG002
        """Refuse a command, with the reason."""
        raise DeviceError(self._reason)


def _loaded(load: Callable[[], Device]) -> Device:
    try:
        return load()
    except Exception as error:
        return _Unavailable(f"what carries this out cannot be loaded: {error!r}; reinstall it")


def _fork_for_each_command(commands: socket.socket, device: Device, limit: int) -> None:
    """Fork until the process that sends commands is gone."""
    while True:
        message, ancillary, _, _ = commands.recvmsg(_MESSAGE_SIZE_MAX, _ANCILLARY_SIZE)
        if not message:
            return
        passed = [fd for _, _, data in ancillary for (fd,) in struct.iter_unpack("i", data)]
        if len(passed) == 2:  # else this process has as many open as it may
            fd, reply = passed

            def live(fd: int = fd, reply: int = reply, message: bytes = message) -> int:
                commands.close()
                _carry_out(device, fd, message, reply, limit)
                return 0

            try:
                fork(PROCESS_NAME, live)
            except OSError:  # no process: the reply ends without a word
                pass
        for descriptor in passed:
            os.close(descriptor)


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
    head = REPLY.pack(completion.status, len(completion.sense), len(completion.data))
    connection = socket.socket(fileno=reply)
    connection.sendall(head + completion.sense + completion.data + reason.encode())


def _close_all_but(kept: int) -> None:
    """Keep the standard descriptors and one: neither a socket nor a lock must live on in here."""
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))
