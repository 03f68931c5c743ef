"""The syntaxes a command line can have, each a way to write the same wiring."""

from collections.abc import Callable

from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.model import ReservedDisks
from qemu_pr.command_line.notation import to_json, to_keyval
from qemu_pr.command_line.wiring import block_node, drive, wire

Options = list[tuple[str, str]]


def blockdev_syntax(disks: ReservedDisks) -> Options:
    """Write disks with ``-blockdev``, everything as key=value."""
    return [(f"-{name}", to_keyval(name, given)) for name, given in wire(disks, block_node)]


def drive_syntax(disks: ReservedDisks) -> Options:
    """Write disks with ``-drive``, everything as key=value."""
    return [(f"-{name}", to_keyval(name, given)) for name, given in wire(disks, drive)]


def json_syntax(disks: ReservedDisks) -> Options:
    """Write disks with ``-blockdev``, everything as JSON (QEMU 6.2 and later).

    Raises:
        CommandLineError: A path is no UTF-8 text that QEMU's JSON takes.
    """
    return [(f"-{name}", to_json(given)) for name, given in wire(disks, block_node)]


SYNTAXES: dict[str, Callable[[ReservedDisks], Options]] = {
    "blockdev": blockdev_syntax,
    "drive": drive_syntax,
    "json": json_syntax,
}
DEFAULT_SYNTAX = "blockdev"


def check_program(program: str) -> str:
    """Give a program's name or path back, if a command line can start with it.

    Raises:
        CommandLineError: It is empty, holds a zero byte, or looks like an option.
    """
    if not program:
        raise CommandLineError("program ''", "an empty name")
    if "\0" in program:
        raise CommandLineError(f"program {program!r}", "a name cannot hold a zero byte")
    if program.startswith("-"):
        raise CommandLineError(
            f"program {program!r}", "looks like an option", f"write ./{program} or the whole path"
        )
    return program
