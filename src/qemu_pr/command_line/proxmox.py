"""Proxmox VE's ``args:`` line: QEMU options in /etc/pve/qemu-server/VMID.conf, written and read.

Proxmox VE splits the line with Perl's Text::ParseWords::shellwords, which is no shell: a backslash
in single quotes keeps a quote from ending, and nothing else stands for a line end. It puts these
options before its own, so that a controller without an address would take the slot of one of its
devices.
"""

import re
from collections.abc import Iterator

from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.model import ReservedDisks
from qemu_pr.command_line.shell import Word
from qemu_pr.command_line.syntaxes import DEFAULT_SYNTAX, SYNTAXES
from qemu_pr.command_line.wiring import wire

# Proxmox VE has given this slot to the fourth screen of a SPICE guest, and the others to devices
# that guests do have. It has a bus pci.0 with the machine types i440fx and q35.
CONTROLLER = {"driver": "virtio-scsi-pci", "bus": "pci.0", "addr": "0x1a"}

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
_TO_ESCAPE = re.compile(r'["\\]')
_PIECE = re.compile(
    r"""
      (?P<blank>  [ \t\n\v\f\r]+ )
    | (?P<double> " (?: [^"\\] | \\. )* " )
    | (?P<single> ' (?: [^'\\] | \\. )* ' )
    | (?P<plain>  (?: [^ \t\n\v\f\r"'\\] | \\. )+ )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def args_line(disks: ReservedDisks, syntax: str = DEFAULT_SYNTAX) -> str:
    """Give the line to put into a virtual machine's configuration file.

    QEMU's file locks are turned off, so that more than one virtual machine may open a disk.

    Args:
        disks: The disks to wire to their helper.
        syntax: A key of `SYNTAXES`.

    Raises:
        CommandLineError: The syntax or a line of text cannot carry a path.
    """
    chosen = SYNTAXES[syntax]
    controller = {"driver": CONTROLLER["driver"], "id": f"{disks.name}-scsi", **CONTROLLER}
    words = ["args:"]
    for option, properties in wire(disks, chosen.backend, controller):
        if "file" in properties:
            properties = {**properties, "file": {**properties["file"], "locking": "off"}}
        words += [f"-{option}", quote(chosen.write(option, properties))]
    return " ".join(words)


def quote(word: str) -> str:
    """Quote a word so that Proxmox VE reads it as it is, where that is needed.

    Raises:
        CommandLineError: It has a line end, which nothing can stand for.
    """
    if "\n" in word:
        raise CommandLineError(
            repr(word), "a line end, and the args: line has one only", "use a symbolic link"
        )
    if _PLAIN.fullmatch(word):
        return word
    return '"' + _TO_ESCAPE.sub(r"\\\g<0>", word) + '"'


def split(text: str, offset: int = 0, line: int = 1) -> Iterator[Word]:
    """Read the words of an ``args:`` line, as Proxmox VE does.

    Args:
        text: What follows ``args:``.
        offset: Where it begins in the file, for the places of the words.
        line: The line that it is on.

    Raises:
        CommandLineError: A quote stays open, or a backslash ends the line; Proxmox VE then leaves
            out the whole line.
    """
    word: Word | None = None
    position = 0
    while position < len(text):
        match = _PIECE.match(text, position)
        if not match:
            raise CommandLineError(
                f"line {line}",
                "a quote stays open, or a backslash ends it, and so Proxmox VE uses none of it",
            )
        position = match.end()
        if match.lastgroup == "blank":
            if word:
                yield word
            word = None
            continue
        part = match[0] if match.lastgroup == "plain" else match[0][1:-1]
        if match.lastgroup != "single":
            part = _ESCAPED.sub(r"\1", part)
        word = word or Word("", line, start=offset + match.start())
        word = Word(word.text + part, line, start=word.start, end=offset + position)
    if word:
        yield word
