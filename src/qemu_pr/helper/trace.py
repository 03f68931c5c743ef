"""QEMU's trace option: ``[[enable=]PATTERN][,events=FILE][,file=FILE]``."""

import os
from collections.abc import Iterable
from fnmatch import fnmatchcase

from qemu_pr.helper import StartError
from qemu_pr.helper.events import EVENTS, STANDARD_ERROR
from qemu_pr.helper.own_file import OWN_FILE, why_not_opened
from qemu_pr.value import Value


class Tracing(Value):
    """What trace options ask for.

    Attributes:
        events: Names of the events to trace.
        file: Where to write them, or None for stderr.
        unknown: Names that were asked for and do not exist.
    """

    __slots__ = ("events", "file", "unknown")

    def __init__(
        self, events: frozenset[str], file: str | None, unknown: tuple[str, ...] = ()
    ) -> None:
        self.events = events
        self.file = file
        self.unknown = unknown


def parse(options: Iterable[str]) -> Tracing:
    """Read the values of all ``-T`` options.

    Args:
        options: The values, in order; later patterns win, and the last file.

    Raises:
        StartError: A key is not one of the three, or the events file cannot be read.
    """
    patterns: list[str] = []
    file = None
    for option in options:
        # QEMU's way to have a comma in a value is to double it; a value cannot hold a NUL.
        for position, item in enumerate(option.replace(",,", "\0").split(",")):
            key, equals, value = item.replace("\0", ",").partition("=")
            if not equals and position == 0:
                key, value = "enable", key
            if key == "enable":
                patterns.append(value)
            elif key == "events" and equals:
                patterns += _read_patterns(value)
            elif key == "file" and equals:
                file = value
            else:
                raise StartError(f"Invalid parameter '{key}'")
    return _select(patterns, file)


def _read_patterns(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as lines:
            stripped = [line.strip() for line in lines]
    except OSError as error:
        raise StartError(f"{path}: {error.strerror}") from None
    return [line for line in stripped if line and not line.startswith("#")]


def _select(patterns: Iterable[str], file: str | None) -> Tracing:
    chosen: set[str] = set()
    unknown = []
    for pattern in patterns:
        glob = pattern.removeprefix("-")
        found = {name for name in EVENTS if fnmatchcase(name, glob)}
        if not found and not set("*?") & set(glob):
            unknown.append(glob)
        chosen = chosen - found if pattern.startswith("-") else chosen | found
    return Tracing(frozenset(chosen), file, tuple(unknown))


def open_file(path: str | None) -> int:
    """Open what traced events are written to the end of; give its descriptor.

    Args:
        path: The file; None: standard error.

    Raises:
        StartError: It cannot be written.
    """
    if path is None:
        return STANDARD_ERROR
    try:
        return os.open(path, OWN_FILE | os.O_WRONLY | os.O_APPEND, 0o666)
    except OSError as error:
        raise StartError(f"cannot write traces to '{path}': {why_not_opened(error)}") from None
