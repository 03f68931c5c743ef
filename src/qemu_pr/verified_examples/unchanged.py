"""Which pages need not be verified again: nothing that decides about their examples has changed.

What decides is compared by its contents, never by times: a checkout has new times, old contents.
"""

import functools
import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from hashlib import sha256
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

# What package managers know to be installed: programs need libraries, too.
_INSTALLED = ("/var/lib/dpkg/status", "/var/lib/rpm/rpmdb.sqlite", "/lib/apk/db/installed")


class Unchanged:
    """What was found of pages, by a key of all that decides about it.

    Args:
        file: Where it is kept between two builds.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, dict[str, Any]] = {}
        with suppress(OSError, ValueError):
            self._known = json.loads(file.read_text())

    def found(self, page: str, key: str) -> list[Any] | None:
        """Give what was noted of a page; None if that was under another key, or never."""
        known = self._known.get(page, {})
        return known["found"] if known.get("key") == key else None

    def note(self, page: str, key: str, found: list[Any]) -> None:
        """Note what was found, as values that JSON has, and keep it."""
        self._known[page] = {"key": key, "found": found}
        self._file.write_text(json.dumps(self._known, indent=1, sort_keys=True))


def key_of(*decisive: object) -> str:
    """Give what tells one set of values from another, by what they print as."""
    return sha256(repr(decisive).encode(errors="surrogateescape")).hexdigest()


def host_key(depends: Iterable[Path]) -> str:
    """Give what tells a host, and the files that all examples depend on, from others.

    Args:
        depends: Files, and directories with all that is in them.
    """
    packages = sorted((one.name, one.version) for one in distributions())
    return key_of(
        (sys.version, os.geteuid(), os.uname(), packages),
        [_content(Path(name)) for name in _INSTALLED],
        [(str(file), _content(file)) for one in depends for file in _files(one)],
    )


def programs_key(text: str, path: str) -> str:
    """Give what tells the programs that a text names from others of the same names.

    Args:
        text: Each word of it that is the name of a program counts.
        path: The directories to look in, as in ``PATH``.
    """
    words = set(re.findall(r"[\w.+-]+", text))
    named = [(name, _content(Path(program))) for name, program in _programs(path) if name in words]
    return key_of(named)


@functools.cache
def _programs(path: str) -> Sequence[tuple[str, str]]:
    found: dict[str, str] = {}
    for directory in path.split(":"):
        with suppress(OSError):
            for entry in os.scandir(directory):
                found.setdefault(entry.name, entry.path)
    return sorted(found.items())


@functools.cache
def _content(file: Path) -> str:
    with suppress(OSError), file.open("rb") as opened:
        digest = sha256()
        while piece := opened.read(1 << 20):
            digest.update(piece)
        return digest.hexdigest()
    return ""


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(one for one in path.rglob("*") if one.is_file() and one.suffix != ".pyc")
