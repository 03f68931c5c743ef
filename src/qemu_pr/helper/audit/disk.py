"""Which disk a descriptor is open on, as the kernel tells it without asking the disk."""

import os
import stat

from qemu_pr.helper.carry_out import path_of

# Where sysfs has the name that a disk keeps: of a SCSI disk, of a partition of one, of others such
# as NVMe, of a device-mapper device.
_WWID_FILES = ("device/wwid", "../device/wwid", "wwid", "dm/uuid")
_SIZE_MAX = 512  # bytes of a name


def describe(fd: int) -> dict[str, str | None]:
    """Describe it.

    Returns:
        ``disk``, its path; ``device``, its major and minor number, and ``wwid``, its world wide
        identifier, None for what is no device or has none.
    """
    status = os.fstat(fd)
    number = wwid = None
    if stat.S_ISBLK(status.st_mode) or stat.S_ISCHR(status.st_mode):
        kind = "block" if stat.S_ISBLK(status.st_mode) else "char"
        number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
        wwid = _wwid(f"/sys/dev/{kind}/{number}")
    return {"disk": path_of(fd), "device": number, "wwid": wwid}


def _wwid(directory: str) -> str | None:
    for name in _WWID_FILES:
        try:
            with open(f"{directory}/{name}", "rb") as file:
                if found := file.read(_SIZE_MAX).decode("ascii", "replace").strip():
                    return found
        except OSError:
            pass
    return None
