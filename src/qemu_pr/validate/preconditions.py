"""What must be so before anything is registered with a disk, and why it is refused otherwise."""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from qemu_pr.host.block_devices import OF_THIS_HOST
from qemu_pr.host.scsi_ioctl import takes_scsi_commands
from qemu_pr.host.wwids import map_wwid
from qemu_pr.scsi import sense
from qemu_pr.scsi.commands import InServiceAction
from qemu_pr.scsi.sense_codes import sense_of
from qemu_pr.scsi.status import Completion, Status
from qemu_pr.validate.commands import ask, patiently
from qemu_pr.validate.judging import outcome
from qemu_pr.validate.ways import CommandWay, NotPossibleError, Way

_INQUIRY = 0x12
_DESIGNATION = 0x83
_PAGE_SIZE = 1024
_LIST_DISKS = "'lsblk --scsi' lists the SCSI disks of this host"
_ADVICE = {
    errno.ENOENT: _LIST_DISKS,
    errno.EACCES: "run as root, or be in the disk's group and name a helper with --socket",
    errno.EPERM: "run as root, or be in the disk's group and name a helper with --socket",
    errno.EROFS: "export it for writing, or name another disk",
    errno.ENXIO: "the disk is gone: see the kernel's log",
    errno.ENOMEDIUM: _LIST_DISKS,
}
# They have paths open all the time, and write nothing.
_HARMLESS = {"multipathd", "systemd-udevd", "udevd", "(udev-worker)"}


class RefusedError(Exception):
    """A disk is not to be examined; the text names it, says why, and what to do."""

    def __init__(self, name: str, why: str, advice: str) -> None:
        super().__init__(f"{name}: {why}; {advice}")


@dataclass(frozen=True, slots=True)
class Identity:
    """What a disk says of itself.

    Attributes:
        vendor: T10 VENDOR IDENTIFICATION, or empty.
        product: PRODUCT IDENTIFICATION, or empty.
        revision: PRODUCT REVISION LEVEL, or empty.
        designators: Names of the logical unit in vital product data, page 83h; maybe none.
    """

    vendor: str = ""
    product: str = ""
    revision: str = ""
    designators: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """One name of it; empty if it has none."""
        return min(self.designators, default="")


def open_unused(path: str) -> int:
    """Open a disk that nobody uses, or a regular file.

    Raises:
        RefusedError: It is no whole disk, or somebody uses it.
    """
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISREG(mode):
            return os.open(path, os.O_RDWR | os.O_CLOEXEC)
        if not stat.S_ISBLK(mode):
            raise RefusedError(path, "it is no block device", _LIST_DISKS)
        if whole := OF_THIS_HOST.disk_of_partition(path):
            why = "it is a partition, and reservations are made for whole disks"
            raise RefusedError(path, why, f"use {whole}")
        if owner := OF_THIS_HOST.map_of_path(path):
            why = "it is one path of a multipath map, which the map's users share"
            raise RefusedError(path, why, f"use {owner} with --socket, or take the map away first")
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_EXCL | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.EBUSY:
            advice = "unmount it, or end what uses it"
            raise RefusedError(path, f"it is in use: {_user(path)}", advice) from None
        advice = _ADVICE.get(error.errno or 0, "see the kernel's log")
        raise RefusedError(path, f"cannot open it: {error.strerror}", advice) from None
    if not takes_scsi_commands(fd):
        os.close(fd)
        why = "it is no SCSI disk: the kernel passes no SCSI commands on to it"
        raise RefusedError(path, why, _LIST_DISKS)
    if users := sorted(_openers(os.fstat(fd).st_rdev)):
        os.close(fd)
        raise RefusedError(path, f"it is in use: {', '.join(users)}", "end what uses it")
    return fd


def is_regular(fd: int) -> bool:
    """Tell whether a descriptor is one of a regular file."""
    return stat.S_ISREG(os.fstat(fd).st_mode)


def map_paths(path: str) -> int:
    """Count the paths of a multipath map that are there; 0 for what is no map."""
    device = OF_THIS_HOST.sysfs(path)
    if device is None or not map_wwid(device / "dm"):
        return 0
    states = (slave / "device/state" for slave in (device / "slaves").iterdir())
    return sum(1 for state in states if state.exists() and "running" in state.read_text())


def require_reservations(way: Way) -> None:
    """Make sure that a disk has persistent reservations.

    Raises:
        RefusedError: It has none, or does not answer.
        LostError: Nobody knows.
    """
    try:
        answer = ask(way, InServiceAction.READ_KEYS)
    except NotPossibleError as error:
        raise RefusedError(way.name, "READ KEYS cannot be sent", str(error)) from None
    if answer.status == Status.GOOD:
        return
    told = sense_of(answer)
    if told in (sense.INVALID_OPERATION_CODE, sense.INVALID_FIELD_IN_CDB):
        why, advice = "it has no persistent reservations", "turn them on at the array or target"
    elif told == sense.COMMAND_IO_PROCESS_TERMINATED:
        why = f"READ KEYS: {outcome(answer)}"
        advice = "run as root, or name a helper with --socket that may send SCSI commands"
    elif answer.status == Status.RESERVATION_CONFLICT:
        why = "another host holds it with the older RESERVE command"
        advice = "have that host release it"
    else:
        why, advice = f"READ KEYS: {outcome(answer)}", "see the array's log and the kernel's"
    raise RefusedError(way.name, why, advice)


def identify(way: Way) -> Identity:
    """Ask a disk for its names, as far as the way can carry that."""
    if isinstance(way, CommandWay):
        return Identity(designators=frozenset(_designators(way.vpd_page(_DESIGNATION))))
    try:
        standard = _inquire(way, bytes((_INQUIRY, 0, 0, 0, 96, 0)), 96)
        command = bytes((_INQUIRY, 1, _DESIGNATION, *_PAGE_SIZE.to_bytes(2, "big"), 0))
        page = _inquire(way, command, _PAGE_SIZE)
    except NotPossibleError:
        return Identity()
    if len(standard.data) < 36 or not any(standard.data[8:36]):
        return Identity()
    fields = (standard.data[start:end] for start, end in ((8, 16), (16, 32), (32, 36)))
    vendor, product, revision = (one.decode("ascii", "replace").strip(" \0") for one in fields)
    return Identity(vendor, product, revision, frozenset(_designators(page.data)))


def require_one_disk(disk: Way, one: Identity, peer: Way, other: Identity) -> None:
    """Make sure that two ways lead to one logical unit, as far as the disks tell.

    Raises:
        RefusedError: They have names, and none in common.
    """
    if one.designators and other.designators and not one.designators & other.designators:
        why = f"it is another disk ({other.name}) than {disk.name} ({one.name})"
        raise RefusedError(peer.name, why, "name two ways to one disk: 'lsscsi -i' shows the names")


def _inquire(way: Way, cdb: bytes, size: int) -> Completion:
    return patiently(lambda: way.send(cdb, b"", size))


def _designators(page: bytes) -> Iterator[str]:
    """Read the designators of a logical unit that tell it from all others (SPC-4, 7.8.6)."""
    if len(page) < 4 or page[1] != _DESIGNATION:
        return
    rest = page[4 : 4 + int.from_bytes(page[2:4], "big")]
    while len(rest) >= 4:
        size, association, kind = rest[3], rest[1] >> 4 & 3, rest[1] & 0xF
        value, rest = rest[4 : 4 + size], rest[4 + size :]
        if association == 0 and kind in _KINDS and any(value):
            is_text = kind == 8
            text = value.rstrip(b"\0").decode(errors="replace") if is_text else value.hex()
            yield f"{_KINDS[kind]}{text}"


_KINDS = {2: "eui.", 3: "naa.", 8: ""}
"""Kinds of designators that are unique, and what SCSI people write before them."""


def _user(path: str) -> str:
    """Say who claims a disk that cannot be opened exclusively."""
    device = OF_THIS_HOST.sysfs(path)
    if device is None:
        return "another program has it for itself"
    disks = [device, *(found.parent for found in device.glob("*/partition"))]
    numbers = {(disk / "dev").read_text().strip() for disk in disks}
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    points = [fields[4] for fields in mounts if fields[2] in numbers]
    if points:
        return f"mounted on {points[0]}"
    holders = [holder.name for disk in disks for holder in (disk / "holders").glob("*")]
    return f"by {holders[0]}" if holders else "another program has it for itself"


def _openers(number: int) -> Iterator[str]:
    """Name the processes of this host that have a device open, as far as /proc tells."""
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        try:
            name = (process / "comm").read_text().strip()
            files = list((process / "fd").iterdir())
        except OSError:
            continue
        if name in _HARMLESS:
            continue
        for file in files:
            try:
                status = file.stat()
            except OSError:
                continue
            if stat.S_ISBLK(status.st_mode) and status.st_rdev == number:
                yield f"{name}, process {process.name}"
                break
