"""What sysfs tells of the device-mapper device behind a descriptor."""

import os
import stat
from fcntl import ioctl

_MAP = b"mpath-"  # how libmultipath begins a multipath map's UUID

# Device mapper's block major number is one of those that Linux assigns at run time, from 254 down
# to 234 and then above 383 (admin-guide/devices.txt). Most disks have a fixed one below.
_FIRST_DYNAMIC_MAJOR = 234


# Linux, from 5.15 on, gives a disk a number that no disk had before it. To ask for that takes half
# the time of fstat; and every command asks.
_BLKGETDISKSEQ = 0x80081280
_ROOM = bytes(8)
_MOST_NUMBERS = 4096

_with_fixed_major: set[bytes] = set()  # the numbers of such disks


def is_multipath_map(fd: int) -> bool:
    """Tell from the descriptor alone whether it is open on a multipath map.

    Other device-mapper devices are none, nor are partitions of a map.
    """
    try:
        number = ioctl(fd, _BLKGETDISKSEQ, _ROOM)
    except OSError:  # no block device, or an older Linux
        number = b""
    if number in _with_fixed_major:
        return False
    status = os.fstat(fd)
    if not stat.S_ISBLK(status.st_mode):
        return False
    if os.major(status.st_rdev) < _FIRST_DYNAMIC_MAJOR:
        if number and len(_with_fixed_major) < _MOST_NUMBERS:
            _with_fixed_major.add(number)
        return False
    try:
        uuid = os.open(f"{_directory(status.st_rdev)}/dm/uuid", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # no device-mapper device, or gone
        return False
    try:
        return os.read(uuid, len(_MAP)) == _MAP
    finally:
        os.close(uuid)


def paths(fd: int) -> list[str]:
    """List the block nodes of a map's paths, ``/dev/sdX``."""
    return sorted(
        f"/dev/{name}" for name in os.listdir(f"{_directory(os.fstat(fd).st_rdev)}/slaves")
    )


def name(fd: int) -> str:
    """Give a device's name, which multipath calls its alias."""
    with open(f"{_directory(os.fstat(fd).st_rdev)}/dm/name") as file:
        return file.read().strip()


def _directory(device: int) -> str:
    return f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"
