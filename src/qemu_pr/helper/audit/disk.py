"""Which disk a descriptor was open on, as the kernel tells it without asking the disk."""

import os
import stat

# Where sysfs has the name that a disk keeps: of a SCSI disk, of a partition of one, of others such
# as NVMe, of a device-mapper device.
_WWID_FILES = ("device/wwid", "../device/wwid", "wwid", "dm/uuid")
_SIZE_MAX = 512  # bytes of a name


def describe(path: bytes, mode: int, device: int) -> dict[str, object]:
    """Describe it.

    Args:
        path: What the process that had the descriptor called it.
        mode: ``st_mode`` of stat(2).
        device: ``st_rdev``.

    Returns:
        ``disk``, its path; ``device``, its major and minor number, and ``wwid``, its world wide
        identifier, None for what is no device or has none.
    """
    number = wwid = None
    if stat.S_ISBLK(mode) or stat.S_ISCHR(mode):
        kind = "block" if stat.S_ISBLK(mode) else "char"
        number = f"{os.major(device)}:{os.minor(device)}"
        wwid = _wwid(f"/sys/dev/{kind}/{number}")
    return {"disk": os.fsdecode(path), "device": number, "wwid": wwid}


def _wwid(directory: str) -> str | None:
    for name in _WWID_FILES:
        try:
            with open(f"{directory}/{name}", "rb") as file:
                if found := file.read(_SIZE_MAX).decode("ascii", "replace").strip():
                    return found
        except OSError:
            pass
    return None
