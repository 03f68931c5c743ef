"""The program `qemu-pr`: what an operator of persistent reservations reaches for."""

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

from qemu_pr import __version__
from qemu_pr.cli.guessing_parser import GuessingParser
from qemu_pr.cli.parser import USAGE_ERROR

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

COMMANDS = {
    "command-line": "print the QEMU command line that wires disks to the helper",
    "lint": "say what is wrong with QEMU command lines, and what is right",
    "persist": "read and change persistent reservations, as sg_persist does, through a helper",
    "status": "show who is registered, who holds a disk, and who may read and write now",
    "doctor": "examine this host, and say what keeps reservations from working",
    "validate": "certify that a disk keeps persistent reservations as SPC-4 says",
    "report": "write what this host sees of its disks and reservations, for qemu-pr fleet",
    "fleet": "show the reports of many hosts as a matrix, and what is wrong across them",
    "multipath-conf": "print the reservation_key entry of multipath.conf, or check a"
    " multipath.conf",
    "units": "print or write the systemd units of qemu-pr-helper",
    "completion": "print what makes a shell complete command lines",
}
"""What each does, in a line; the order is that of the help and the man page.

The module of each has the same name, and ``add_options``. Only what is called is imported: to
import all of them takes longer than to run one.
"""


class Command(GuessingParser):
    """The parser of a subcommand, which gets its options when it is first asked for them."""

    _is_complete = False

    def complete(self) -> None:
        """Import the module of the subcommand, and have it add its options."""
        if not self._is_complete:
            self._is_complete = True
            name = self.prog.split()[-1].replace("-", "_")
            import_module(f"qemu_pr.cli.{name}").add_options(self)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: "argparse.Namespace | None" = None
    ) -> "tuple[argparse.Namespace, list[str]]":
        """Parse arguments; argparse calls this of the one subcommand that was named."""
        self.complete()
        return super().parse_known_args(args, namespace)


def build_parser() -> GuessingParser:
    """Give the parser of the whole program with all options, which also makes its man page."""
    parser, commands = _parsers()
    for command in commands.values():
        command.complete()
    return parser


def _parsers() -> tuple[GuessingParser, dict[str, Command]]:
    parser = GuessingParser(
        prog="qemu-pr",
        description="Print and check the QEMU command lines that persistent reservations need,"
        " send PERSISTENT RESERVE commands through a helper, show who holds a disk, certify a disk,"
        " examine a host, report hosts and what is wrong across them, print and check the"
        " reservation keys of multipath.conf, and print systemd units.",
    )
    parser.add_argument(
        "-V",
        "--version",
        action="version",
        version=f"qemu-pr {__version__}",
        help="print the version and exit",
    )
    parser.set_defaults(run=_overview, error_status=USAGE_ERROR)
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", parser_class=Command
    )
    return parser, {name: commands.add_parser(name, help=text) for name, text in COMMANDS.items()}


def _overview(args: "argparse.Namespace") -> int:
    from qemu_pr.cli import overview

    return overview.run(args)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program.

    Args:
        arguments: What follows the program's name; those of this process if None.

    Returns:
        The exit status.
    """
    error_status = USAGE_ERROR
    try:
        parser, _ = _parsers()
        options = parser.parse_args(arguments)
        error_status = options.error_status
        status: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has seen enough; nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        print(f"qemu-pr: {error.filename or 'output'}: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return error_status
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return status
