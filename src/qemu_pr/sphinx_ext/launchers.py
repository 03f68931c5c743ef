"""The programs of the virtual environment, as they are where its path has no blank.

The kernel takes neither blanks nor long paths after ``#!``, so pip writes a shell script there. A
process that such a script starts has another name, and its command line another beginning.
"""

import sys
from pathlib import Path

_OF_SHELL = b"#!/bin/sh\n'''exec'"  # Python reads on behind the third line


def write_launchers(directory: Path) -> list[Path]:
    """Write anew, for Python itself, what pip made shell scripts of.

    Args:
        directory: Where to. Its path has no blank and is short.

    Returns:
        The directories to look for programs in, before all others.
    """
    programs = Path(sys.executable).parent
    texts = {path.name: path.read_bytes() for path in programs.iterdir() if _is_of_shell(path)}
    if not texts:
        return [programs]
    # Through a link to its environment, Python finds what is installed there.
    (directory / "environment").symlink_to(sys.prefix)
    found = directory / "environment" / programs.relative_to(sys.prefix)
    own = directory / "bin"
    own.mkdir()
    for name, text in texts.items():
        (own / name).write_bytes(b"#!%s/python\n%s" % (bytes(found), text.split(b"\n", 3)[3]))
        (own / name).chmod(0o755)
    return [own, found]


def _is_of_shell(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_OF_SHELL)) == _OF_SHELL
