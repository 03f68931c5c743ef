"""The syntaxes a command line can have, each a way to write the same wiring."""

from collections.abc import Callable

from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.model import ReservedDisks
from qemu_pr.command_line.notation import Properties, to_json, to_keyval
from qemu_pr.command_line.wiring import Backend, block_node, drive, wire
from qemu_pr.record import Record

Options = list[tuple[str, str]]


class Syntax(Record):
    """A syntax: what opens a disk, and the notation of all properties.

    Attributes:
        backend: What opens a disk.
        write: Writes the properties of an option; JSON refuses a path that is no UTF-8 text.
    """

    backend: Backend
    write: Callable[[str, Properties], str]

    def __call__(self, disks: ReservedDisks) -> Options:
        """Give the options that QEMU needs, each with its value.

        Raises:
            CommandLineError: The syntax cannot carry a path.
        """
        return [(f"-{name}", self.write(name, given)) for name, given in wire(disks, self.backend)]


def _json(_option: str, properties: Properties) -> str:
    return to_json(properties)


SYNTAXES = {
    "blockdev": Syntax(block_node, to_keyval),
    "drive": Syntax(drive, to_keyval),
    "json": Syntax(block_node, _json),  # QEMU 6.2 and later
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
