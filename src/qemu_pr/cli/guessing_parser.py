"""The argument parser of `qemu-pr`, which guesses what a mistyped word meant."""

import argparse
import os
from collections.abc import Iterable, Sequence

from qemu_pr.cli.parser import USAGE_ERROR, OperatorParser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


class GuessingParser(OperatorParser):
    """An operator's parser whose subparsers are of the same class, and that names the nearest word.

    A subcommand whose status 1 is a finding says with the default ``error_status`` what its errors
    end with.

    Attributes:
        allow_underscores: Long options may have ``_`` for ``-``.
    """

    allow_underscores = False

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse arguments; a subcommand reports those that it does not know itself.

        Left to argparse, the program would report them, and point to its own --help.
        """
        if self.allow_underscores and args is not None:
            args = list(map(_with_dashes, args))
        found, unknown = super().parse_known_args(args, namespace)
        if unknown and " " in self.prog:
            guess = meant(self, unknown, args or ())
            self.error(f"unrecognized arguments: {' '.join(unknown)}{guess}")
        return found, unknown

    def error(self, message: str) -> "NoReturn":
        """Print what is wrong, and exit."""
        self.exit(self.get_default("error_status") or USAGE_ERROR, f"{self.report(message)}\n")

    def _check_value(self, action: argparse.Action, value: "Any") -> None:
        """Refuse what is no choice, and name the nearest one."""
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            error.message += _nearest(str(value), action.choices or ())
            raise


def meant(parser: argparse.ArgumentParser, unknown: Sequence[str], words: Sequence[str]) -> str:
    """Guess what was meant by what nobody knows: an option, or a path with a blank in it.

    Args:
        parser: What does not know it.
        unknown: The words that it does not know.
        words: All words.

    Returns:
        What to put behind the error; empty if nothing comes near.
    """
    options = [word.partition("=")[0] for word in unknown if word.startswith("--")]
    near = [_nearest(option, parser._option_string_actions) for option in options]
    if any(near):
        return "".join(near)
    first, blank, _ = os.getcwd().partition(" ")
    torn = blank and any(word.endswith(first) for word in words)
    return '; this directory has a blank in its path: write "$PWD", with the quotes' if torn else ""


def _nearest(word: str, known: Iterable[str]) -> str:
    import difflib  # for those alone who mistype

    near = difflib.get_close_matches(word, map(str, known), n=1, cutoff=0.7)
    return f"; did you mean {near[0]}?" if near else ""


def _with_dashes(word: str) -> str:
    name, equals, value = word.partition("=")
    return name.replace("_", "-") + equals + value if name.startswith("--") else word
