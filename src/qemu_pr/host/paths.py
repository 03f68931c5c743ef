"""The files of a host whose ``/`` may be another directory."""

import os
import re
from pathlib import Path

THIS_ROOT = Path("/")


def under(root: Path, path: str) -> str:
    """Give the path by which this process sees a file that a host names.

    Args:
        root: The directory that is the host's ``/``.
        path: As the host names it; if it is relative, as this process does.
    """
    return path if root == THIS_ROOT or not path.startswith("/") else f"{root}{path}"


def plain(path: str) -> str:
    """Give a path without detours; /var/run is a link to /run on every system with a helper."""
    return re.sub(r"\A/var/run/", "/run/", os.path.normpath(path))
