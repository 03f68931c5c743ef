"""QEMU's trace option: ``[[enable=]PATTERN][,events=FILE][,file=FILE]``."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from qemu_pr.helper import StartError
from qemu_pr.helper.events import EVENTS


@dataclass(frozen=True, slots=True)
class Tracing:
    """What trace options ask for.

    Attributes:
        events: Names of the events to trace.
        file: Where to write them, or None for stderr.
        unknown: Names that were asked for and do not exist.
    """

    events: frozenset[str]
    file: str | None
    unknown: tuple[str, ...] = ()


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
