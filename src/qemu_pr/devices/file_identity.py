"""Tell one file from another for good, although inode numbers are reused.

Device and inode number name a file only while it exists. What tells a file from a later one with
the same inode is the generation number in its file handle (name_to_handle_at(2)) or, where the file
system has no handles, its time of birth (statx(2)). Python has neither call, so the C library is
asked.
"""

import ctypes
import os
import struct

_AT_EMPTY_PATH = 0x1000
_STATX_BTIME = 0x800
_HANDLE_SIZE = 128  # MAX_HANDLE_SZ

_libc = ctypes.CDLL(None, use_errno=True)


def file_identity(fd: int) -> str:
    """Name the file behind a descriptor.

    Args:
        fd: A descriptor of a file; it need not be open for writing.

    Returns:
        Text that no other file has, not even one that gets the same inode number later, as far as
        the file system can tell them apart.

    Raises:
        OSError: The descriptor is not open.
    """
    stat = os.fstat(fd)
    return f"{stat.st_dev}:{stat.st_ino}:{_handle(fd) or _birth(fd)}"


def _handle(fd: int) -> str:
    """Give the file's handle in hex, empty where the file system has none."""
    buffer = ctypes.create_string_buffer(8 + _HANDLE_SIZE)
    struct.pack_into("=I", buffer, 0, _HANDLE_SIZE)
    mount_id = ctypes.c_int()
    if _libc.name_to_handle_at(fd, b"", buffer, ctypes.byref(mount_id), _AT_EMPTY_PATH) != 0:
        return ""
    (size,) = struct.unpack_from("=I", buffer)
    return buffer.raw[8 : 8 + size].hex()


def _birth(fd: int) -> str:
    """Give the file's time of birth, empty where the file system keeps none."""
    buffer = ctypes.create_string_buffer(256)
    if _libc.statx(fd, b"", _AT_EMPTY_PATH, _STATX_BTIME, buffer) != 0:
        return ""
    mask, seconds, nanoseconds = struct.unpack_from("=I76xqI", buffer)
    return f"{seconds}.{nanoseconds:09d}" if mask & _STATX_BTIME else ""
