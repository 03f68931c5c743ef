"""Whether a path still leads to an open file."""

import os


def is_at(path: str, fd: int) -> bool:
    """Tell it; False also if nothing is there.

    Raises:
        OSError: The path is out of reach.
    """
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except FileNotFoundError:
        return False
