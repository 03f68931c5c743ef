"""A disk that an operator names: what can be known of it without a command to it."""

import errno
import os
import stat
from dataclasses import dataclass
from functools import cached_property

from qemu_pr.host.block_devices import OF_THIS_HOST, BlockDevices
from qemu_pr.host.paths import THIS_ROOT, under
from qemu_pr.host.scsi_ioctl import takes_scsi_commands
from qemu_pr.host.wwids import map_wwid

_NOT_A_DISK = "name a disk, as 'lsblk --scsi' lists them"
_LIKELY = {
    errno.ENOENT: _NOT_A_DISK,
    errno.ENXIO: "the disk is gone: see the kernel's log",
    errno.ENODEV: "the disk is gone: see the kernel's log",
}


@dataclass(frozen=True)
class ExaminedDisk:
    """A disk.

    Attributes:
        path: As it was named.
        devices: Where the kernel tells of it.
    """

    path: str
    devices: BlockDevices = OF_THIS_HOST

    @property
    def file(self) -> str:
        """The path by which this process sees it."""
        return under(self.devices.root or THIS_ROOT, self.path)

    @cached_property
    def refused(self) -> OSError | None:
        """Why it cannot be opened for reading; None if it can."""
        try:
            os.close(self.open())
        except OSError as error:
            return error
        return None

    @cached_property
    def fault(self) -> tuple[str, str] | None:
        """What is wrong with it and what to do; None if it takes SCSI commands, or may simulate."""
        if self.refused:
            advice = _LIKELY.get(self.refused.errno or 0, "")
            return (f"cannot open it: {self.refused.strerror}", advice) if advice else None
        if whole := self.devices.disk_of_partition(self.path):
            return "it is a partition, and reservations are made for whole disks", f"use {whole}"
        if owner := self.devices.map_of_path(self.path):
            what = "it is one path of a multipath map, and a registration on it is lost with it"
            return what, f"use {owner}"
        if self.is_regular or self.is_scsi:
            return None
        return "it is no SCSI disk: the kernel passes no SCSI commands on to it", _NOT_A_DISK

    @property
    def is_usable(self) -> bool:
        """Whether it can be asked."""
        return not self.refused and not self.fault

    @property
    def is_regular(self) -> bool:
        """Whether it is a regular file, which a helper may simulate a disk on."""
        return stat.S_ISREG(os.stat(self.file).st_mode)

    @property
    def is_map(self) -> bool:
        """Whether it is a multipath map."""
        device = self.devices.sysfs(self.path)
        return bool(device and map_wwid(device / "dm"))

    @cached_property
    def is_scsi(self) -> bool:
        """Whether the kernel passes SCSI commands on to it; the disk itself is not asked."""
        fd = self.open()
        try:
            return takes_scsi_commands(fd)
        finally:
            os.close(fd)

    @property
    def is_write_protected(self) -> bool:
        """Whether the kernel lets nobody write; that takes no opening for writing.

        When somebody closes a disk that was open for writing, udev reads it, and takes the unit
        attentions that a guest should hear of.
        """
        device = self.devices.sysfs(self.path)
        return device is not None and (device / "ro").read_text().strip() == "1"

    def open(self) -> int:
        """Open it for reading.

        Raises:
            OSError: The system refuses.
        """
        return os.open(self.file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
