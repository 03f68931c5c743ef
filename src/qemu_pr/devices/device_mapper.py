"""What sysfs tells of the device-mapper device behind a descriptor."""

import errno
import os
import stat
from fcntl import ioctl

from qemu_pr.devices import DeviceError

_MAP = b"mpath-"  # how libmultipath begins a multipath map's UUID

# Device mapper's block major number is one of those that Linux assigns at run time, from 254 down
# to 234 and then above 383 (admin-guide/devices.txt). Most disks have a fixed one below.
_FIRST_DYNAMIC_MAJOR = 234


# Linux, from 5.15 on, gives a disk a number that no disk had before it. To ask for that takes less
# time than fstat, and every command asks. An older Linux would pass the question on to the disk,
# which could hang; some machines number ioctls in another way.
_BLKGETDISKSEQ = 0x80081280
_NUMBERS_SINCE = (5, 15)
_MACHINES = ("aarch64", "riscv64", "s390x", "x86_64")
_ROOM = bytes(8)
_MOST_NUMBERS = 4096

_with_fixed_major: set[bytes] = set()  # the numbers of such disks


def _numbers_disks(release: str, machine: str) -> bool:
    try:
        major, minor = map(int, release.split(".")[:2])
    except ValueError:
        return False
    return (major, minor) >= _NUMBERS_SINCE and machine in _MACHINES


_has_numbers = _numbers_disks(os.uname().release, os.uname().machine)


def is_multipath_map(fd: int) -> bool:
    """Tell from the descriptor alone whether it is open on a multipath map.

    Other device-mapper devices are none, nor are partitions of a map.

    Raises:
        DeviceError: Linux does not tell. To take it for a disk could reserve one path alone.
    """
    try:
        number = ioctl(fd, _BLKGETDISKSEQ, _ROOM) if _has_numbers else b""
    except OSError:  # no block device
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
    uuid = f"{_directory(status.st_rdev)}/dm/uuid"
    try:
        return _begins_with(uuid, _MAP)
    except OSError as error:
        if error.errno == errno.ENOENT and os.path.isdir(_directory(status.st_rdev)):
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
