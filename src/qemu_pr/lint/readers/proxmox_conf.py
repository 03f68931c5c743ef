"""Configuration files of Proxmox VE: their ``args:`` lines."""

import re
from dataclasses import replace

from qemu_pr.command_line import proxmox
from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.lint.command import Command, FaultyPlace
from qemu_pr.lint.met import Met
from qemu_pr.lint.readers.words import PROXMOX, command

_LINE = re.compile(r"^[ \t]*args:[ \t]+(?P<options>-.*\S)[ \t\r]*$", re.MULTILINE)


def read(text: str) -> tuple[list[Command], str]:
    """Read the ``args:`` lines of a text.

    Args:
        text: A configuration file, or a manual that shows such lines.

    Returns:
        A command for each, and the text without them.
    """
    found = [
        _command(match[0].strip(), text.count("\n", 0, match.start()))
        for match in _LINE.finditer(text)
    ]
    return found, _LINE.sub("", text)


def _command(line: str, before: int) -> Command:
    options = line.index(":") + 1
    try:
        words, misread = list(proxmox.split(line[options:], options, before + 1)), []
    except CommandLineError as error:
        words, misread = [], [(Met.OPEN_QUOTE, FaultyPlace(before + 1, f"args: {error.why}"))]
    found = command(
        line,
        words,
        PROXMOX,
        lambda text: [_command(text, before)],
        program="kvm",
        misread=misread if "pr-manager" in line else [],
        line=before + 1,
    )
    # Proxmox VE has told QEMU of its own drives by then, and of no controller yet.
    return replace(
        found,
        controller=proxmox.CONTROLLER,
        elsewhere=lambda name: name.startswith("drive-"),
    )
