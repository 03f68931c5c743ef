"""The argument parser of every program here: one line for an error, exit status 1."""

import argparse
import os

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing has 3,400 lines, which whoever audits the helper would have to pass
    from typing import Any, NoReturn

USAGE_ERROR = 1
"""Exit status of a wrong command line, as in the C helper and sg3_utils; argparse's own is 2."""


class OperatorParser(argparse.ArgumentParser):
    """An argument parser whose errors are one line that says where to read on.

    Long options must be written out, unless ``allow_abbrev``
    says otherwise; descriptions and epilogs are laid out as they are written.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        kwargs.setdefault("allow_abbrev", False)
        kwargs.setdefault("formatter_class", _formatter)
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> "Any":
        """Give an option's value: ``--`` in ``--socket=--`` is one, too.

        Python before 3.13 takes it for the end of the options, and gives an empty list instead.
        """
        if action.option_strings and arg_strings == ["--"] and action.nargs is None:
            value = self._get_value(action, "--")
            self._check_value(action, value)
            return value
        return super()._get_values(action, arg_strings)

    def error(self, message: str) -> "NoReturn":
        """Print what is wrong, and exit with status 1."""
        self.exit(USAGE_ERROR, f"{self.report(message)}\n")

    def report(self, message: str) -> str:
        """Say what is wrong: ``PROGRAM: [subcommand:] message``, and where to read on."""
        program = ": ".join(self.prog.split())
        return f"{program}: {message} (try '{self.prog} --help')"


def _formatter(prog: str) -> argparse.HelpFormatter:
    """Lay help out as it is written, as wide as the terminal.

    argparse would ask shutil for the width, for each option: of what that imports, the helper needs
    nothing.
    """
    try:
        width = int(os.environ.get("COLUMNS", 0)) or os.get_terminal_size(1).columns
    except (OSError, ValueError):
        width = 80
    return argparse.RawDescriptionHelpFormatter(prog, width=width - 2)
