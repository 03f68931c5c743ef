"""Do the disks that were named take reservations?"""

import os
from collections.abc import Iterator

from qemu_pr.devices import Device
from qemu_pr.devices.sg_io import ScsiDisk
from qemu_pr.doctor.check import Result, failure, ok, unknown, warning
from qemu_pr.doctor.disk import ExaminedDisk
from qemu_pr.doctor.helper import may_send
from qemu_pr.doctor.host import Host
from qemu_pr.host.process import Process
from qemu_pr.manager import ConnectError, PRManagerHelper
from qemu_pr.reservation_status import CommandError, query
from qemu_pr.scsi import sense
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.status import Status

_LACKING = (sense.INVALID_OPERATION_CODE, sense.INVALID_FIELD_IN_CDB)
_AGAIN = "see the kernel's log and the array's; then run qemu-pr doctor again"


def scsi(host: Host) -> Iterator[Result]:
    """Look whether it is a whole SCSI disk, and not one path of a map."""
    for disk in host.disks:
        if disk.fault:
            yield failure(disk.path, *disk.fault)
        elif disk.refused:
            what = f"cannot open it: {disk.refused.strerror}"
            yield unknown(disk.path, what, "run as root")
        else:
            yield ok(disk.path, _kind(disk))


def _kind(disk: ExaminedDisk) -> str:
    if disk.is_regular:
        return "a regular file, for a helper with --simulate"
    return "a multipath map" if disk.is_map else "a SCSI disk"


def writable(host: Host) -> Iterator[Result]:
    """Look whether it may be written to; PERSISTENT RESERVE OUT needs that."""
    for disk in host.disks:
        if not disk.is_usable:
            continue
        if disk.is_write_protected:
            what = "it is write-protected, so that QEMU cannot open it for PERSISTENT RESERVE OUT"
            advice = f"export it for writing; if it was set here: blockdev --setrw {disk.path}"
            yield failure(disk.path, what, advice)
        else:
            yield ok(disk.path, "not write-protected")


def reservations(host: Host) -> Iterator[Result]:
    """Ask the disk for its persistent reservations; PERSISTENT RESERVE IN alone is sent."""
    for disk in host.disks:
        if not disk.is_usable:
            continue
        socket = next((one for one, helper in host.helpers if _serves(helper, disk)), None)
        if socket is None and disk.is_regular and not host.helpers:
            what = "there is no helper to ask"
            yield unknown(disk.path, what, "start one with --simulate, and name its --socket")
        elif socket is None and disk.is_regular:
            what = "it is a regular file, and the helper simulates no disks"
            yield failure(disk.path, what, "start a helper with --simulate, and name its --socket")
        elif socket is None and not may_send(Process(host.proc, os.getpid())):
            what = "nobody may ask it: there is no helper that may, and no CAP_SYS_RAWIO"
            yield unknown(disk.path, what, "run as root")
        else:
            yield _ask(disk, socket.file if socket else None)


def _serves(helper: Process, disk: ExaminedDisk) -> bool:
    if disk.is_regular:
        return "--simulate" in helper.arguments
    return may_send(helper)


def _ask(disk: ExaminedDisk, socket: str | None) -> Result:
    fd = disk.open()
    try:
        if socket is None:
            return _answer(disk, ScsiDisk(), fd, "directly")
        with PRManagerHelper(socket) as manager:
            return _answer(disk, manager, fd, "through the helper")
    except ConnectError as error:
        return unknown(disk.path, str(error), "run qemu-pr doctor again")
    finally:
        os.close(fd)


def _answer(disk: ExaminedDisk, device: Device, fd: int, way: str) -> Result:
    try:
        told = query(device, fd)
    except MalformedError as error:
        return failure(disk.path, f"its answer, {way}, makes no sense: {error}", _AGAIN)
    except CommandError as error:
        if error.sense in _LACKING:
            what = f"it has no persistent reservations ({error})"
            return failure(disk.path, what, "turn them on at the array or target, or use another")
        if error.completion.status == Status.RESERVATION_CONFLICT:
            what = "another host holds it with the older RESERVE command"
            return failure(disk.path, what, "have that host release it")
        return failure(disk.path, f"asked {way}, it fails: {error}", _AGAIN)
    what = f"persistent reservations, asked {way}"
    if told.unit_attentions:
        heard = ", ".join(map(str, told.unit_attentions))
        what += f"; it had to tell this host {heard}, and will not tell it again"
    if told.one_path_writes and told.reservation:
        reserved = (
            f"it is reserved with type {told.reservation.type}, and the holder has several paths"
        )
        advice = "reserve it with type 5 or 6, registrants only, or 7 or 8, all registrants"
        return warning(disk.path, f"{reserved}: one of them may write", advice)
    return ok(disk.path, what)
