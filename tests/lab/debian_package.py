"""The Debian package, installed by dpkg, and its command that replaces QEMU's helper."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from layer import writable

NAME = "qemu-pr"
REPLACE = "/usr/libexec/qemu-pr/replace-qemu-helper"  # as the page about installation has it
# /etc and /var can be written here; the rest of what a package brings is below /usr.
PLACE = Path("/usr")


@contextmanager
def installed(package: Path) -> Iterator[None]:
    """Have a package installed for the length of a `with`; what it does to files stays in memory.

    Raises:
        RuntimeError: dpkg or a script of the package failed.
    """
    with writable(PLACE):
        # Triggers are other packages': one reads all man pages, which takes long in emulation.
        run("dpkg", "--force-unsafe-io", "--no-triggers", "--install", str(package))
        try:
            yield
        finally:
            run("dpkg", "--no-triggers", "--purge", NAME)


@contextmanager
def replacing_qemu_s_helper() -> Iterator[None]:
    """Have QEMU's helper replaced by the package's for the length of a `with`."""
    run(REPLACE)
    try:
        yield
    finally:
        run(REPLACE, "--undo")


def run(*command: str) -> str:
    """Run a command with Debian's programs only, and give what it prints.

    Raises:
        RuntimeError: It failed.
    """
    done = subprocess.run(
        command,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}")
    return done.stdout
