"""What a path says of a disk: partition or whole, one path of a multipath map or all of it."""

import os
import re
import stat
from pathlib import Path

from qemu_pr.multipath_conf.wwids import map_wwid

# Names that only partitions have, with the part that names the disk.
_PARTITION = re.compile(
    r"(?P<disk>/dev/(?:(?:sd|vd|xvd|hd)[a-z]+(?=\d+\Z)|(?:nvme\d+n|mmcblk|loop)\d+(?=p\d+\Z)"
    r"|(?:disk/by-[\w-]+|mapper)/.+(?=-part\d+\Z)|mapper/mpath[a-z]+?(?=p?\d+\Z))).*"
)


def disk_of_partition(path: str) -> str | None:
    """Tell which disk a partition is on.

    What the kernel knows counts, if there is such a device here; else its name.

    Args:
        path: The path of what may be a partition.

    Returns:
        The disk's path; None if the path is no partition's.
    """
    device = sysfs(path)
    named = _PARTITION.fullmatch(path)
    if device is None:
        return named["disk"] if named else None
    if not (device / "partition").exists():
        return None
    return named["disk"] if named else f"/dev/{device.resolve().parent.name}"


def map_of_path(path: str) -> str | None:
    """Tell which multipath map a disk is a path of.

    Args:
        path: The path of what may be one path of a map.

    Returns:
        The map's path; None if it is none, or if there is no such device here.
    """
    device = sysfs(path)
    for holder in (device / "holders").glob("*/dm") if device else ():
        if map_wwid(holder):
            return f"/dev/mapper/{(holder / 'name').read_text().strip()}"
    return None


def sysfs(path: str) -> Path | None:
    """Give the directory in which the kernel tells of a block device; None if it is not here."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISBLK(found.st_mode):
        return None
    return Path(f"/sys/dev/block/{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}")
