"""What a path says of a disk: partition or whole, one path of a multipath map or all of it.

A text must not be judged by the disks of the host that reads it, unless it is about this host.
"""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from qemu_pr.host.paths import THIS_ROOT, under
from qemu_pr.host.wwids import map_wwid

# Names that only partitions have, with the part that names the disk.
_PARTITION = re.compile(
    r"(?P<disk>/dev/(?:(?:sd|vd|xvd|hd)[a-z]+(?=\d+\Z)|(?:nvme\d+n|mmcblk|loop)\d+(?=p\d+\Z)"
    r"|(?:disk/by-[\w-]+|mapper)/.+(?=-part\d+\Z)|mapper/mpath[a-z]+?(?=p?\d+\Z))).*"
)


@dataclass(frozen=True, slots=True)
class BlockDevices:
    """The block devices of a host, or of none.

    Attributes:
        root: The directory that is the host's ``/``; None if no host is to be looked at, so that
            only the names of devices tell something.
        numbers: The device numbers of the paths that lead to a device, if they are known already;
            None to follow each path, which may be one that never ends.
    """

    root: Path | None
    numbers: Mapping[str, int | None] | None = field(default=None, compare=False)

    def disk_of_partition(self, path: str) -> str | None:
        """Tell which disk a partition is on.

        What the kernel knows counts, if there is such a device on the host; else its name.

        Args:
            path: The path of what may be a partition.

        Returns:
            The disk's path; None if the path is no partition's.
        """
        device = self.sysfs(path)
        named = _PARTITION.fullmatch(path)
        if device is None:
            return named["disk"] if named else None
        if not (device / "partition").exists():
            return None
        return named["disk"] if named else f"/dev/{device.resolve().parent.name}"

    def map_of_path(self, path: str) -> str | None:
        """Tell which multipath map a disk is a path of.

        Args:
            path: The path of what may be one path of a map.

        Returns:
            The map's path; None if it is none, or if there is no such device on the host.
        """
        device = self.sysfs(path)
        for holder in (device / "holders").glob("*/dm") if device else ():
            if map_wwid(holder):
                return f"/dev/mapper/{(holder / 'name').read_text().strip()}"
        return None

    def sysfs(self, path: str) -> Path | None:
        """Give the directory in which the kernel tells of a block device; None if there is none."""
        if self.root is None:
            return None
        if self.numbers is None:
            number = device_number(under(self.root, path))
        else:
            number = self.numbers.get(path)
        if number is None:
            return None
        return self.root / "sys/dev/block" / f"{os.major(number)}:{os.minor(number)}"


def device_number(file: str) -> int | None:
    """Give the number of the block device that a path leads to; None if it leads to none.

    On the way may be a file system that never answers.
    """
    try:
        found = os.stat(file)
    except (OSError, ValueError):
        return None
    return found.st_rdev if stat.S_ISBLK(found.st_mode) else None


OF_NO_HOST = BlockDevices(None)
OF_THIS_HOST = BlockDevices(THIS_ROOT)
