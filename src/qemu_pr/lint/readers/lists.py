"""Lists of words: arrays of JSON, Python, HCL and Nix, and sequences of YAML."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.shell import Word
from qemu_pr.lint.command import Command
from qemu_pr.lint.readers.shell_words import may_have_more, program_in, words_of
from qemu_pr.lint.readers.words import UNQUOTED, Dialect, command, is_argument

_STRING = r"(?:\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*')"
_GAP = r"(?:[\s,\[\]]|(?:\#|//)[^\n]*(?=\n))*"
_ITEM = re.compile(rf"{_GAP}[fFrRbBuU]?(?P<string>{_STRING})")
_ARRAY = re.compile(r"\[(?=[\s\[]{0,40}(?:[fFrRbBuU]?[\"']|#|//))")
_BRACKET = re.compile(rf"{_STRING}|(?:\#|//)[^\n]*|[\[\]]")
_SEQUENCE = re.compile(
    r"^(?P<indent>[ \t]*)-[ \t]+\S[^\n]*(?:\n(?P=indent)-[ \t]+\S[^\n]*)+$", re.MULTILINE
)
_ENTRY = re.compile(
    rf"^[ \t]*-[ \t]+(?P<item>{_STRING}|[^\"'\s&*!|>%@`\[{{#][^\n]*?)[ \t]*(?:[ \t]\#.*)?$",
    re.MULTILINE,
)
_MAPPING = re.compile(r"[\w.-]+:(?:\s|\Z)")
_OPTION_AND_VALUE = re.compile(r"\s*(?:\w+=)?--?\w[\w-]*\s+\S")
_VARIABLE = re.compile(r"\w+=(?=-)")
_WIRES = re.compile(r"--?(?:object|blockdev|drive|device)")
_PLAIN = re.compile(r"[\w/.-](?:[\w@%+=:,./{}$-]*[\w@%+=,./}-])?")


@dataclass(slots=True)
class _Item:
    """A string of a list, at its place in the text, and the words in it."""

    start: int
    end: int
    words: list[Word]

    @property
    def is_divided(self) -> bool:
        return len(self.words) > 1


def read(text: str) -> tuple[list[Command], str]:
    """Read the lists of words that wire disks.

    Args:
        text: The text, without comments.

    Returns:
        A command for each, and the text without them.
    """
    found = []
    for kind in (_arrays, _sequences):
        for start, end, one in kind(text):
            found.append(one)
            text = text[:start] + re.sub(r"[^\n]", " ", text[start:end]) + text[end:]
    return found, text


def _arrays(text: str) -> Iterator[tuple[int, int, Command]]:
    end = 0
    for match in _ARRAY.finditer(text):
        if match.start() < end:
            continue
        place, items = match.end(), []
        while item := _ITEM.match(text, place):
            place = item.end()
            items.append(_item(item["string"], item.start("string")))
        end = place  # those within are part of it
        if any(map(_wires, items)) and (closing := _end_of_array(text, match.start(), place)):
            end = closing
            chunk = text[match.start() : end]
            first = text[items[0].start :]
            comma = "," if re.search(r"[\"']\s*,", chunk) else ""
            line = text.rfind("\n", 0, items[-1].start) + 1
            before = text[line : items[-1].start]
            blank = f"\n{before}" if before.isspace() and line > match.start() else " "
            dialect = Dialect(_quote_as(first[0]), blank=comma + blank)
            # A name without quotes is a variable, which may have more.
            closed = not re.search(r"\w", text[place:end])
            yield match.start(), end, _command(text, match.start(), end, items, dialect, closed)


def _end_of_array(text: str, start: int, place: int) -> int | None:
    """Find where an array ends, arrays within it and behind its last string included.

    Args:
        text: The text.
        start: The place of its bracket.
        place: Where its last string ends.
    """
    depth = 0
    for token in _BRACKET.finditer(text, start):
        depth += {"[": 1, "]": -1}.get(token[0], 0)
        if token.start() >= place and depth <= 0:
            return token.end()
    return None


def _sequences(text: str) -> Iterator[tuple[int, int, Command]]:
    for match in _SEQUENCE.finditer(text):
        entries = list(_ENTRY.finditer(match[0]))
        if len(entries) != match[0].count("\n") + 1 or any(
            _MAPPING.match(entry["item"]) for entry in entries
        ):
            continue
        items = [_item(one["item"], match.start() + one.start("item")) for one in entries]
        if any(map(_wires, items)):
            between = match[0][: entries[0].start("item")]
            dialect = Dialect(_quote_as(entries[0]["item"][0]), blank=f"\n{between}")
            yield *match.span(), _command(text, *match.span(), items, dialect, True)


def _command(
    text: str, start: int, end: int, items: list[_Item], dialect: Dialect, closed: bool
) -> Command:
    chunk = text[start:end]
    words = [
        word.but(
            line=text.count("\n", 0, word.start) + 1,
            start=word.start - start,
            end=word.end - start,
        )
        for item in items
        for word in item.words
    ]
    program = program_in(words)
    return command(
        chunk,
        words,
        dialect,
        lambda text: read(text)[0],
        program="" if program is None else words[program].text,
        closed=closed and not may_have_more(words[program or 0 :]),
        others=[(one.start - start, one.end - start, UNQUOTED) for one in items if one.is_divided],
    )


def _wires(item: _Item) -> bool:
    return any(_WIRES.fullmatch(word.text) for word in item.words)


def _item(raw: str, start: int) -> _Item:
    quote = 1 if raw[0] in "\"'" else 0
    end = start + len(raw)
    if _OPTION_AND_VALUE.match(raw, quote):
        return _Item(start, end, list(_divided(raw[quote : len(raw) - quote], start + quote)))
    text = raw[quote : len(raw) - quote]
    if quote and "\\" in raw and raw[0] == '"':
        with suppress(ValueError):  # another language's escape: it stays as it is
            text = loaded if is_argument(loaded := json.loads(raw)) else text
    return _Item(start, end, [Word(text, expands="$" in text, start=start, end=end)])


def _divided(text: str, start: int) -> Iterator[Word]:
    """Divide an item that has options with their values, for a shell that reads it again."""
    variable = _VARIABLE.match(text.lstrip())
    skipped = len(text) - len(text.lstrip()) + (variable.end() if variable else 0)
    for word in words_of(text[skipped:])[0]:
        place = start + skipped
        yield word.but(start=word.start + place, end=word.end + place)


def _quote_as(quote: str) -> Callable[[str, bool], str]:
    """Give what writes an item as another one is written."""

    def write(word: str, _expands: bool) -> str:
        if quote not in "\"'" and _PLAIN.fullmatch(word):
            return word
        if quote == "'" and not set("'\\\n") & set(word):
            return f"'{word}'"
        if quote == "'" and '"' in word:
            raise CommandLineError(repr(word), "it has quotes of both kinds")
        return json.dumps(word, ensure_ascii=False)

    return write
