"""Argument vectors: a JSON array of words, or /proc/PID/cmdline with its zero bytes."""

import json
import re
import shlex
from itertools import count

from qemu_pr.command_line.shell import Word
from qemu_pr.lint.command import Command
from qemu_pr.lint.readers import shell_text
from qemu_pr.lint.readers.words import JSON, command, is_argument

_ARRAY = re.compile(r"\s*\[\s*")
_COMMA = re.compile(r"\s*,\s*")


def read(text: str) -> tuple[list[Command], str]:
    """Read a text that is one argument vector, and nothing else.

    Args:
        text: The text.

    Returns:
        The command, and an empty text; no command and the text as it was if it is none.
    """
    if "\0" in text:
        words = text.rstrip("\0\n").split("\0")
        return shell_text.commands(_as_shell_text(words)), ""
    array = _json(text)
    return (array, "") if array else ([], text)


def _as_shell_text(words: list[str]) -> str:
    """Write a vector for the shell, as there is no other way to show it."""
    lines = [[words[0]]]
    for word in words[1:]:
        if word.startswith("-") or len(lines[-1]) == 2:
            lines.append([])
        lines[-1].append(word)
    return " \\\n    ".join(map(shlex.join, lines))


def _json(text: str) -> list[Command]:
    text = text.rstrip()
    try:
        array = json.loads(text)
    except (ValueError, RecursionError):
        return []
    if not isinstance(array, list) or not all(map(is_argument, array)):
        return []
    words = []
    decoder = json.JSONDecoder()
    found = _ARRAY.match(text)
    for number in count():
        if not found or number == len(array):
            break
        start = found.end()
        word, end = decoder.raw_decode(text, start)
        words.append(Word(word, text.count("\n", 0, start) + 1, start=start, end=end))
        found = _COMMA.match(text, end) or _ARRAY.match("[")
    program = array[0] if array else ""
    return [command(text, words, JSON, _json, program=program)]
