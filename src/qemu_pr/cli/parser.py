"""The argument parser of every program here: one line for an error, exit status 1."""

import argparse
import difflib
import os
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

USAGE_ERROR = 1
"""Exit status of a wrong command line, as in the C helper and sg3_utils; argparse's own is 2."""


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, map(str, known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _with_dashes(word: str) -> str:
    name, equals, value = word.partition("=")
    return name.replace("_", "-") + equals + value if name.startswith("--") else word


class OperatorParser(argparse.ArgumentParser):
    """An argument parser whose errors are one line that says where to read on.

    Its subparsers are of the same class. Long options must be written out, unless ``allow_abbrev``
    says otherwise; descriptions and epilogs are laid out as they are written.
    With ``allow_underscores`` long options may have ``_`` for ``-``.
    """

    def __init__(self, *args: object, allow_underscores: bool = False, **kwargs: object) -> None:
        self._allow_underscores = allow_underscores
        kwargs.setdefault("allow_abbrev", False)
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse arguments; a subcommand reports those that it does not know itself.

        Left to argparse, the program would report them, and point to its own --help.
        """
        if self._allow_underscores and args is not None:
            args = list(map(_with_dashes, args))
        found, unknown = super().parse_known_args(args, namespace)
        if unknown and " " in self.prog:
            self.error(
                f"unrecognized arguments: {' '.join(unknown)}{self._meant(unknown, args or ())}"
            )
        return found, unknown

    def _meant(self, unknown: Sequence[str], words: Sequence[str]) -> str:
        """Guess what was meant by what nobody knows: an option, or a path with a blank in it."""
        options = [word.partition("=")[0] for word in unknown if word.startswith("--")]
        near = [_nearest(option, self._option_string_actions) for option in options]
        if any(near):
            return "".join(near)
        first, blank, _ = os.getcwd().partition(" ")
        torn = blank and any(word.endswith(first) for word in words)
        return (
            '; this directory has a blank in its path: write "$PWD", with the quotes'
            if torn
            else ""
        )

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse what is no choice, and name the nearest one."""
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            error.message += _nearest(str(value), action.choices or ())
            raise

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        """Give an option's value: ``--`` in ``--socket=--`` is one, too.

        Python before 3.13 takes it for the end of the options, and gives an empty list instead.
        """
        if action.option_strings and arg_strings == ["--"] and action.nargs is None:
            value = self._get_value(action, "--")
            self._check_value(action, value)
            return value
        return super()._get_values(action, arg_strings)

    def error(self, message: str) -> NoReturn:
        """Print ``PROGRAM: [subcommand:] message`` and exit with status 1."""
        program = ": ".join(self.prog.split())
        self.exit(USAGE_ERROR, f"{program}: {message} (try '{self.prog} --help')\n")


def directory(text: str) -> Path:
    """Read the value of an option that names a directory.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no directory")
    return Path(text)
