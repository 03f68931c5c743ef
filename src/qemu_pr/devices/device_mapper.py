"""What sysfs tells of the device-mapper device behind a descriptor."""

import errno
import os
import stat

from qemu_pr.devices import DeviceError

_MAP = b"mpath-"  # how libmultipath begins a multipath map's UUID

# Device mapper's block major number is one of those that Linux assigns at run time, from 254 down
# to 234 and then above 383 (admin-guide/devices.txt). Most disks have a fixed one below.
_FIRST_DYNAMIC_MAJOR = 234


def is_multipath_map(fd: int) -> bool:
    """Tell from the descriptor alone whether it is open on a multipath map.

    Other device-mapper devices are none, nor are partitions of a map.

    Raises:
        DeviceError: Linux does not tell. To take it for a disk could reserve one path alone.
    """
    status = os.fstat(fd)
    if not stat.S_ISBLK(status.st_mode) or os.major(status.st_rdev) < _FIRST_DYNAMIC_MAJOR:
        return False
    uuid = f"{directory(status.st_rdev)}/dm/uuid"
    try:
        return _begins_with(uuid, _MAP)
    except OSError as error:
        if error.errno == errno.ENOENT and os.path.isdir(directory(status.st_rdev)):
            return False  # no device-mapper device
        raise DeviceError(
            f"nothing tells whether this is a multipath map: {uuid}: {error.strerror}"
        ) from None


def _begins_with(path: str, text: bytes) -> bool:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, len(text)) == text
    finally:
        os.close(fd)


def directory(device: int) -> str:
    """Give the folder of sysfs for a block device."""
    return f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"
