"""The words of one line of multipath.conf, as multipath.conf(5) has them and multipath reads them.

A word is a brace, a string in double quotes, or a run of other characters. Blanks, and every byte
that is not ASCII, stand between words; ``#`` and ``!`` outside a string end the line.
"""

import re
from typing import NamedTuple

from qemu_pr.multipath_conf.errors import MultipathConfError

LINE_SIZE_MAX = 1023
"""Bytes of a line that multipath reads; what follows is a line of its own to it."""

_PLAIN = r'[^ \t\n\v\f\r!#{}"\0\x80-\U0010ffff]+'
_WORD = re.compile(
    rf'(?P<plain>{_PLAIN}|[{{}}])|"(?P<quoted>(?:[^"]|"")*)(?P<end>"?)|(?P<comment>[!#])'
)
_SAFE = re.compile(_PLAIN)
_UNWRITABLE = re.compile(r"[\n\r\0]")


class Word(NamedTuple):
    """A word.

    Attributes:
        text: Without quotes.
        quoted: Whether it stood in quotes.
        closed: Whether the closing quote is there.
    """

    text: str
    quoted: bool = False
    closed: bool = True


OPEN = Word("{")
CLOSE = Word("}")


def split(line: str) -> list[Word]:
    """Split a line into words.

    Args:
        line: Any text without a line feed.
    """
    # A carriage return ends the line, unless it leads it; a NUL byte ends it too.
    line = re.split("[\r\0]", line.lstrip("\r"), maxsplit=1)[0]
    words = []
    for match in _WORD.finditer(line):
        if match["comment"]:
            break
        if match["plain"]:
            words.append(Word(match["plain"]))
        else:
            words.append(Word(match["quoted"].replace('""', '"'), True, bool(match["end"])))
    return words


def quote(value: str) -> str:
    """Write a value as one word, in quotes where it needs them.

    Raises:
        MultipathConfError: It has a line end or a NUL character.
    """
    if _UNWRITABLE.search(value):
        raise MultipathConfError(repr(value), "multipath.conf has no way to write a line end")
    if _SAFE.fullmatch(value):
        return value
    return '"{}"'.format(value.replace('"', '""'))
