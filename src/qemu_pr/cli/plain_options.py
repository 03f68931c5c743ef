"""Reading plain command lines without argparse, which takes as long to import as Python to start.

Only what is certain is read here: options by their full names, with the values that they need. All
else is left to argparse: abbreviations, --help, and every mistake.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    Table = Mapping[tuple[str, ...], Mapping[str, Any]]

_FLAGS = ("store_true", "count")
_WITH_VALUE = ("store", "append")


def read(table: Table, arguments: Sequence[str]) -> dict[str, Any] | None:
    """Read a command line.

    Args:
        table: For each option its names, the last one a long one, and what argparse's add_argument
            is given with them: ``action`` (others than ``store``, ``append``, ``store_true`` and
            ``count`` are not read here), ``default``, ``choices`` and ``type``.
        arguments: What follows the program's name.

    Returns:
        What argparse makes of it, by destination, or None if argparse has to judge.
    """
    found: dict[str, Any] = {
        _destination(names): _default(settings) for names, settings in table.items()
    }
    known = {name: (_destination(names), table[names]) for names in table for name in names}
    words = iter(arguments)
    for word in words:
        for name, value in _options(word, known):
            if name not in known:
                return None
            destination, settings = known[name]
            action = settings.get("action", "store")
            if action in _WITH_VALUE:
                value = next(words, "-") if value is None else value
                if value.startswith("-"):
                    return None
                if value not in settings.get("choices", (value,)):
                    return None
                try:
                    value = settings.get("type", str)(value)
                except ValueError:
                    return None
                found[destination] = value if action == "store" else [*found[destination], value]
            elif action in _FLAGS and value is None:
                found[destination] = True if action == "store_true" else found[destination] + 1
            else:
                return None
    return found


def _options(
    word: str, known: Mapping[str, tuple[str, Mapping[str, Any]]]
) -> Iterator[tuple[str, str | None]]:
    """Give the options in a word, each with the value that is in it, too."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        yield name, value if equals else None
    elif word.startswith("-") and "=" not in word and len(word) > 1:
        letters = word[1:]
        while letters:
            name, letters = f"-{letters[0]}", letters[1:]
            if letters and known.get(name, ("", {}))[1].get("action", "store") in _WITH_VALUE:
                yield name, letters
                return
            yield name, None
    else:
        yield "", None  # an operand


def _destination(names: tuple[str, ...]) -> str:
    return names[-1].removeprefix("--").replace("-", "_")


def _default(settings: Mapping[str, Any]) -> object:
    return settings.get("default", False if settings.get("action") == "store_true" else None)
