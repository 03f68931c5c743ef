"""Ask one disk, directly or through a helper, and tell an operator what stood in the way."""

import errno
import os
import stat

from qemu_pr.cli.nearest_path import nearest_path
from qemu_pr.client.failures import FILE_ERROR, MALFORMED, OTHER, Failure, explain
from qemu_pr.devices import Device
from qemu_pr.host.scsi_ioctl import takes_scsi_commands
from qemu_pr.manager import ConnectError, PRManagerHelper
from qemu_pr.reservation_status import CommandError, ReservationStatus, action_name, query
from qemu_pr.scsi import sense
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.status import Status

_LIST_DISKS = "'lsblk --scsi' lists the SCSI disks of this host"

_PRIVILEGE = "run as root, or name a helper with --socket"
_SIMULATE = "a regular file needs --socket with a helper that runs with --simulate"
_OLDER_RESERVATION = (
    "another host holds the disk with the older RESERVE command; that host must release it"
)

_CANNOT_OPEN = {
    errno.ENOENT: _LIST_DISKS,
    errno.EACCES: "run as root, or be in the disk's group and name a helper with --socket",
    errno.ENXIO: "the disk is gone: see the kernel's log",
    errno.ENODEV: "the disk is gone: see the kernel's log",
}

_START = "start qemu-pr-helper, or run as root without --socket"
_NO_HELPER = {
    errno.ENOENT: _START,
    errno.ECONNREFUSED: f"no helper listens there: {_START}",
    errno.EACCES: "run as root, or be in the socket's group",
}


def examine(path: str, socket_path: str | None) -> ReservationStatus | Failure:
    """Ask a disk for all it tells.

    Args:
        path: The disk.
        socket_path: The helper's socket; None asks the disk directly.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        advice = _CANNOT_OPEN.get(error.errno or 0, "")
        what = f"cannot open it: {error.strerror}{_meant(error, path)}"
        return Failure(FILE_ERROR, what, advice)
    try:
        if socket_path is None:
            from qemu_pr.devices.sg_io import ScsiDisk  # which loads ctypes

            return _ask(ScsiDisk(), fd)
        with PRManagerHelper(socket_path) as manager:
            return _ask(manager, fd)
    except ConnectError as error:
        advice = _NO_HELPER.get(error.errno or 0, "see that qemu-pr-helper runs well")
        return Failure(FILE_ERROR, f"{error}{_meant(error, error.filename)}", advice)
    finally:
        os.close(fd)


def _meant(error: OSError, path: str) -> str:
    return nearest_path(path) if error.errno == errno.ENOENT else ""


def _ask(device: Device, fd: int) -> ReservationStatus | Failure:
    try:
        return query(device, fd)
    except MalformedError as error:
        return Failure(MALFORMED, f"the disk's answer makes no sense: {error}")
    except CommandError as error:
        failure = explain(error.command, error.completion) or Failure(OTHER, str(error))
        name = action_name(error.command.service_action)
        failure = failure.but(reason=f"{name}: {failure.reason}")
        return _diagnose(error, failure, device, fd)


def _diagnose(error: CommandError, failure: Failure, device: Device, fd: int) -> Failure:
    """Name the cause and what to do, where the disk's answer alone does not tell."""
    helper = device if isinstance(device, PRManagerHelper) else None
    match error.sense:
        case None if error.completion.status == Status.RESERVATION_CONFLICT:
            return failure.but(advice=_OLDER_RESERVATION)
        case (
            sense.COMMAND_IO_PROCESS_TERMINATED
            | sense.INVALID_OPERATION_CODE
            | sense.INVALID_FIELD_IN_CDB
        ) if not takes_scsi_commands(fd):
            advice = _SIMULATE if stat.S_ISREG(os.fstat(fd).st_mode) else _LIST_DISKS
            return failure.but(reason=f"not a SCSI disk ({error.sense})", advice=advice)
        case sense.INVALID_OPERATION_CODE | sense.INVALID_FIELD_IN_CDB:
            return failure.but(advice="the disk has no persistent reservations")
        case sense.COMMAND_IO_PROCESS_TERMINATED if helper:
            return failure.but(advice=_of_helper(helper))
        case sense.COMMAND_IO_PROCESS_TERMINATED if not _may_send():
            reason = "no permission to send SCSI commands (CAP_SYS_RAWIO)"
            return failure.but(reason=reason, advice=_PRIVILEGE)
        case sense.COMMAND_IO_PROCESS_TERMINATED:
            advice = "see the kernel's log; root of a container may not send SCSI commands"
            return failure.but(advice=advice)
        case sense.LOGICAL_UNIT_COMMUNICATION_FAILURE if helper and helper.last_error:
            reason = f"{failure.reason}: {helper.last_error}"
            return failure.but(reason=reason, advice="see the helper's log")
    return failure


def _of_helper(helper: PRManagerHelper) -> str:
    """Say what to do about a helper that may not send commands."""
    what = "the helper may not send SCSI commands"
    if helper.peer_user != 0:
        return f"{what}: start it as root"
    return f"{what}: what starts it, a unit or a container, must leave it CAP_SYS_RAWIO"


def _may_send() -> bool:
    """Whether this process has the privilege that the kernel wants for reservation commands."""
    from pathlib import Path

    from qemu_pr.host.process import CAP_SYS_RAWIO, Process

    return Process(Path("/proc"), os.getpid()).may(CAP_SYS_RAWIO)
