"""The program `qemu-pr`: what an operator of persistent reservations reaches for."""

import os
import signal
import sys
from collections.abc import Sequence

from qemu_pr import __version__
from qemu_pr.cli import (
    command_line,
    completion,
    doctor,
    fleet,
    lint,
    multipath_conf,
    persist,
    report,
    status,
    units,
)
from qemu_pr.cli.guessing_parser import GuessingParser
from qemu_pr.cli.parser import USAGE_ERROR

SUBCOMMANDS = (
    command_line,
    lint,
    persist,
    status,
    doctor,
    report,
    fleet,
    multipath_conf,
    units,
    completion,
)
"""One module each, with ``add_parser``; the order is that of the help and the man page."""


def build_parser() -> GuessingParser:
    """Give the parser of the whole program, which also makes its man page."""
    parser = GuessingParser(
        prog="qemu-pr",
        description="Print and check the QEMU command lines that persistent reservations need,"
        " send PERSISTENT RESERVE commands through a helper, show who holds a disk, examine a host,"
        " report hosts and what is wrong across them,"
        " print and check the reservation keys of multipath.conf, and print systemd units.",
    )
    parser.add_argument(
        "-V",
        "--version",
        action="version",
        version=f"qemu-pr {__version__}",
        help="print the version and exit",
    )
    subparsers = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", required=True
    )
    for subcommand in SUBCOMMANDS:
        subcommand.add_parser(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program.

    Args:
        arguments: What follows the program's name; those of this process if None.

    Returns:
        The exit status.
    """
    try:
        options = build_parser().parse_args(arguments)
        status: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has seen enough; nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        print(f"qemu-pr: {error.filename or 'output'}: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return USAGE_ERROR
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return status
