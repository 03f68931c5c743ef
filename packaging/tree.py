"""Lay out what is released: the files of a checkout, and what the build rendered from them.

    python packaging/tree.py CHECKOUT BUILD TREE

BUILD has the manual, as `make` leaves it. In TREE all files have the time of SOURCE_DATE_EPOCH, so
that who builds from it twice gets the same bytes.
"""

import fnmatch
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from qemu_pr import __version__
from qemu_pr.systemd_units import Units, render

# Where the manual tells to install with pip, and who is to connect there.
UNITS = Units("/opt/qemu-pr/bin/qemu-pr-helper", "/run/qemu-pr-helper.sock", group="kvm")
COMPLETIONS = {"bash": ("qemu-pr", "qemu-pr-helper"), "zsh": ("_qemu-pr",)}
# What no reader of the manual needs: what Sphinx and the lab keep for themselves.
LEFT_OUT = (".buildinfo", ".doctrees", "objects.inv")


def main() -> None:
    """Lay it out."""
    checkout, build, tree = map(Path, sys.argv[1:])
    shutil.rmtree(tree, ignore_errors=True)
    for file in kept(checkout):
        (tree / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(checkout / file, tree / file)
    rendered = tree / "rendered"
    ignore = shutil.ignore_patterns(*LEFT_OUT)
    shutil.copytree(build / "html", rendered / "html", ignore=ignore)
    shutil.copytree(build / "man", rendered / "man", ignore=ignore)
    (rendered / "completion").mkdir()
    for shell, names in COMPLETIONS.items():
        for name in names:
            (rendered / "completion" / name).write_bytes(qemu_pr("completion", shell))
    (rendered / "units").mkdir()
    for name, text in render(UNITS).items():
        (rendered / "units" / name).write_text(text)
    spec = tree / "packaging/rpm/qemu-pr.spec"
    spec.write_text(spec.read_text().replace("@VERSION@", __version__))
    settle(tree, int(os.environ["SOURCE_DATE_EPOCH"]))


def kept(checkout: Path) -> Iterator[Path]:
    """Give the files that are the source, whether git is there or not."""
    patterns = [".git", *(checkout / ".gitignore").read_text().split()]
    for directory, folders, files in os.walk(checkout):
        here = Path(directory).relative_to(checkout)
        folders[:] = [one for one in folders if not _ignored(here / one, patterns)]
        yield from (here / one for one in files if not _ignored(here / one, patterns))


def _ignored(path: Path, patterns: list[str]) -> bool:
    """Tell whether .gitignore names it: with a slash in front, at the top only."""
    return any(
        fnmatch.fnmatch(str(path) if one.startswith("/") else path.name, one.strip("/"))
        for one in patterns
    )


def qemu_pr(*arguments: str) -> bytes:
    """Give what the program prints."""
    command = [sys.executable, "-m", "qemu_pr", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout


def settle(tree: Path, seconds: int) -> None:
    """Give all files one time, and rights that do not depend on who checked them out."""
    for directory, _, files in os.walk(tree, topdown=False):
        for path in [Path(directory, file) for file in files]:
            path.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
            os.utime(path, (seconds, seconds))
        Path(directory).chmod(0o755)
        os.utime(directory, (seconds, seconds))


if __name__ == "__main__":
    main()
