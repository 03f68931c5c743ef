"""A folder for sockets: their paths have room for 107 bytes."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket in it, and that others may enter."""
    path = Path(tempfile.mkdtemp(prefix="pr", dir="/tmp"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)
