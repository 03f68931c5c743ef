"""The texts that disks are printed as: a new one is a function here, or a file, and an entry."""

from collections.abc import Callable
from importlib import import_module
from itertools import chain

from qemu_pr.command_line.model import ReservedDisks
from qemu_pr.command_line.shell import join
from qemu_pr.command_line.syntaxes import DEFAULT_SYNTAX, SYNTAXES, check_program
from qemu_pr.record import Record

DEFAULT_PROGRAM = "qemu-system-x86_64"


def shell_text(
    disks: ReservedDisks, syntax: str = DEFAULT_SYNTAX, program: str = DEFAULT_PROGRAM
) -> str:
    """Give text to paste into a POSIX shell, one option a line.

    Args:
        disks: The disks to wire to their helper.
        syntax: A key of `SYNTAXES`.
        program: QEMU's name or path.

    Raises:
        CommandLineError: The syntax cannot carry a path, or nothing can be started by that name.
    """
    return join(check_program(program), SYNTAXES[syntax](disks))


def argv_json(
    disks: ReservedDisks, syntax: str = DEFAULT_SYNTAX, program: str = DEFAULT_PROGRAM
) -> str:
    r"""Give the argument vector as one JSON array, all in ASCII.

    A byte that is no UTF-8 is the lone surrogate ``\udc80`` to ``\udcff``, as Python reads and
    writes file names (PEP 383); other JSON readers may not keep it.

    Args:
        disks: The disks to wire to their helper.
        syntax: A key of `SYNTAXES`.
        program: QEMU's name or path.

    Raises:
        CommandLineError: The syntax cannot carry a path, or nothing can be started by that name.
    """
    import json

    return json.dumps([check_program(program), *chain(*SYNTAXES[syntax](disks))])


class Format(Record):
    """A format, and what there is to choose in it.

    Attributes:
        render: Gives the text for `ReservedDisks`, and the arguments that `choices` names.
        choices: The names of the arguments that `render` takes besides.
        undo: Gives the text that undoes the first one; None if it is nothing to undo.
    """

    render: Callable[..., str]
    choices: frozenset[str] = frozenset()
    undo: Callable[[ReservedDisks], str] | None = None


def _of(module: str, function: str) -> Callable[..., str]:
    """Give a function of a module beside this one, which is imported when it is called."""

    def render(*args: object, **kwargs: object) -> str:
        text: str = getattr(import_module(f"qemu_pr.command_line.{module}"), function)(
            *args, **kwargs
        )
        return text

    return render


FORMATS = {
    "shell": Format(shell_text, frozenset({"syntax", "program"})),
    "argv": Format(argv_json, frozenset({"syntax", "program"})),
    "libvirt": Format(_of("libvirt", "disk_xml")),
    "qmp": Format(_of("qmp", "plug"), undo=_of("qmp", "unplug")),
    "proxmox": Format(_of("proxmox", "args_line"), frozenset({"syntax"})),
}
