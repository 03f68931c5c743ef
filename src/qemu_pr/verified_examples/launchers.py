"""The programs of the virtual environment, as they are where its path has no blank.

The kernel takes neither blanks nor long paths after ``#!``, so pip writes a shell script there. A
process that such a script starts has another name, and its command line another beginning.
"""

import sys
from pathlib import Path

_SHELL = b"#!/bin/sh\n"
_OF_SHELL = _SHELL + b"'''exec'"  # pip's; Python reads on behind the third line


def write_launchers(directory: Path) -> list[Path]:
    """Write anew, for Python itself, what pip made shell scripts of.

    Args:
        directory: Where to. Its path has no blank and is short.

    Returns:
        The directories to look for programs in, before all others.
    """
    programs = Path(sys.executable).parent
    scripts = [path for path in programs.iterdir() if _begins_with(path, _SHELL)]
    texts = {path.name: path.read_bytes() for path in scripts if _begins_with(path, _OF_SHELL)}
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
    for (
        path
    ) in scripts:  # those of packages find their Python, and are looked for beside the others
        if path.name not in texts:
            (own / path.name).symlink_to(found / path.name)
    return [own, found]


def _begins_with(path: Path, text: bytes) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(text)) == text
