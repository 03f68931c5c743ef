"""Directories of this computer that the machine cannot write, made writable in its memory."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def writable(directory: Path) -> Iterator[None]:
    """Have a directory that can be written for the length of a `with`; nothing written stays.

    Args:
        directory: The directory, with all that is below it.
    """
    with tempfile.TemporaryDirectory(dir="/run") as layers:
        for layer in ("upper", "work"):
            Path(layers, layer).mkdir()
        options = f"lowerdir={directory},upperdir={layers}/upper,workdir={layers}/work"
        subprocess.run(["mount", "-t", "overlay", "-o", options, "lab", directory], check=True)
        try:
            yield
        finally:
            # A daemon that a package brought may have ended and still be in there.
            subprocess.run(["umount", "--lazy", directory], check=True)
