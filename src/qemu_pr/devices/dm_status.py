"""What the kernel tells of a multipath map: DM_TABLE_STATUS of <linux/dm-ioctl.h>."""

import fcntl
import os
import re
import struct

_CONTROL = "/dev/mapper/control"
_DM_TABLE_STATUS = 0xC138FD0C

# struct dm_ioctl: its version, data_size, data_start, target_count, open_count, flags, event_nr,
# padding, dev, name, uuid and data.
_HEADER = struct.Struct("@3IIIIiIIIQ128s129s7s")
_VERSION = (4, 0, 0)
_DATA_SIZE, _OPEN_COUNT = 3, 6  # fields of it; data_size is all that the kernel wrote
_SIZE = 16 * 1024  # a path takes some 20 bytes

# A path in the status of the target: its device, and A for active or F for failed.
_PATH = re.compile(rb"\d+:\d+ ([AF]) ")


def has_active_path(device: int) -> bool:
    """Tell whether the kernel has a path to send a map's commands to.

    Without one it lets a command wait for as long as ``queue_if_no_path`` lasts.

    Args:
        device: The map's number. If the kernel does not tell, its commands will.
    """
    try:
        return b"A" in _PATH.findall(_status(device))
    except OSError:
        return True


def open_count(device: int) -> int:
    """Tell how often a map is open.

    Args:
        device: Its number.

    Raises:
        OSError: The map is gone, or the kernel does not tell.
    """
    return int(_HEADER.unpack_from(_status(device))[_OPEN_COUNT])


def _status(device: int) -> bytes:
    buffer = bytearray(_SIZE)
    sizes = (_SIZE, _HEADER.size)
    _HEADER.pack_into(buffer, 0, *_VERSION, *sizes, 0, 0, 0, 0, 0, device, b"", b"", b"")
    control = os.open(_CONTROL, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(control, _DM_TABLE_STATUS, buffer)
    finally:
        os.close(control)
    return bytes(buffer[: _HEADER.unpack_from(buffer)[_DATA_SIZE]])
