"""What a path says of a disk: partition or whole, one path of a multipath map or all of it.

A text must not be judged by the disks of the host that reads it, unless it is about this host.
"""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from qemu_pr.multipath_conf.wwids import map_wwid

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
    """

    root: Path | None

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
        try:
            found = os.stat(under(self.root, path))
        except (OSError, ValueError):
            return None
        if not stat.S_ISBLK(found.st_mode):
            return None
        number = f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}"
        return self.root / "sys/dev/block" / number


OF_NO_HOST = BlockDevices(None)
OF_THIS_HOST = BlockDevices(Path("/"))


def under(root: Path, path: str) -> str:
    """Give the path by which this process sees a file that a host names.

    Args:
        root: The directory that is the host's ``/``.
        path: As the host names it.
    """
    return path if root == Path("/") else f"{root}/{path}"
