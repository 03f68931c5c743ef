"""Files that the helper writes where others may write, too: nothing of theirs is taken for ours."""

import errno
import os

OWN_FILE = os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NOFOLLOW | os.O_NONBLOCK
"""Flags that follow no link, and wait for nobody at a pipe."""


def why_not_opened(error: OSError) -> str:
    """Say why a file was not opened with `OWN_FILE`, and what to do."""
    if error.errno == errno.ELOOP:
        return "it is a symbolic link; name the file itself, or remove the link"
    if error.errno == errno.ENXIO:
        return "it is a pipe that nobody reads; start its reader first, or name a file"
    return str(error.strerror)


def is_at(path: str, fd: int) -> bool:
    """Tell whether a path still leads to an open file; False also if nothing is there.

    Raises:
        OSError: The path is out of reach.
    """
    try:
        return os.path.samestat(os.lstat(path), os.fstat(fd))
    except FileNotFoundError:
        return False
