"""A host of its own for a program: other files in /etc, another /sys, no root needed.

The kernel here may have no device-mapper; multipath prints its configuration nevertheless.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from requirements import require, unavailable

PATIENCE = 60.0  # seconds; the machine may be busy

# Moves each directory over the one of its name, then runs the rest.
_INSIDE = (
    'for place in $1; do mount --bind "$2/$place" "/$place" || exit 125; done; shift 2; exec "$@"'
)


@cache
def _unshare() -> tuple[str, ...]:
    """The command that gives a program mounts of its own."""
    unshare = require("unshare", package="util-linux")
    command = (unshare, "--mount", *(() if os.geteuid() == 0 else ("--user", "--map-root-user")))
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        unavailable("this machine lets no program have mounts of its own (unshare --mount)")
    return command


class Host:
    """A machine whose /etc (and others) are directories of the test."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.places = ["etc"]
        (root / "etc").mkdir()
        for name in ("ld.so.cache", "passwd", "group", "nsswitch.conf"):
            if Path("/etc", name).exists():
                shutil.copy(Path("/etc", name), root / "etc")

    def write(self, path: str, text: str | bytes) -> Path:
        """Make a file of the host, under a directory that is there on this machine too."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.fsencode(text))
        return file

    def run(
        self, *command: str | os.PathLike[str], env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program on the host."""
        return subprocess.run(
            [*_unshare(), "sh", "-c", _INSIDE, "sh", " ".join(self.places), self.root, *command],
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=PATIENCE,
            env=env,
            check=False,
        )


def multipath_t(host: Host) -> subprocess.CompletedProcess[str]:
    """Let the real multipath print the configuration that it reads on a host."""
    return host.run(require("multipath", package="multipath-tools"), "-t")
