"""Brings texts and faults together: what is wrong with command lines, and what is right."""

from dataclasses import dataclass, replace

from qemu_pr.lint.block_devices import OF_NO_HOST, BlockDevices
from qemu_pr.lint.command import Command, Found
from qemu_pr.lint.faults import FAULTS
from qemu_pr.lint.faults.fault import Fault
from qemu_pr.lint.faults.reading import MENDED
from qemu_pr.lint.readers import commands

_STEPS = 100  # more than any command line has faults


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault and where it was found."""

    fault: Fault
    found: Found


@dataclass(frozen=True, slots=True)
class Report:
    """What is to be said of one command line.

    Attributes:
        line: The line that it starts on, counted from 1.
        findings: Its faults, in the order of their lines; none if all is well.
        corrected: Its text without the faults that can be corrected; empty if none can.
        left: The names of the faults that the corrected text still has.
    """

    line: int
    findings: tuple[Finding, ...]
    corrected: str
    left: tuple[str, ...]


def check(text: str, block_devices: BlockDevices = OF_NO_HOST) -> list[Report]:
    """Check the command lines of a text that have to do with reservation managers.

    Args:
        text: A command line, a file that has some, a manual.
        block_devices: Where to look for the disks; nowhere, unless the text is about one host.

    Returns:
        A report for each, in the order of the text.

    Raises:
        CommandLineError: The text is XML, and not well formed.
    """
    return [_report(replace(command, block_devices=block_devices)) for command in commands(text)]


def _report(command: Command) -> Report:
    findings = tuple(sorted(_findings(command), key=lambda one: one.found.line))
    if not findings:
        return Report(command.line, (), "", ())
    corrected, left = _correct(command)
    return Report(command.line, findings, corrected, left)


def _findings(command: Command) -> list[Finding]:
    return [Finding(fault, found) for fault in FAULTS for found in fault.find(command)]


def _correct(command: Command) -> tuple[str, tuple[str, ...]]:
    """Apply one remedy after the other, each to the text that the last one gave."""
    text = command.correct(())
    changed = any(name in MENDED for name, _ in command.misread)
    for _ in range(_STEPS):
        read = command.read(text)
        if len(read) != 1:
            break
        again = replace(
            read[0],
            sockets=command.sockets,
            whole=command.whole,
            block_devices=command.block_devices,
        )
        findings = _findings(again)
        remedy = next((one.found.remedies for one in findings if one.found.remedies), ())
        if not remedy:
            left = tuple(dict.fromkeys(one.fault.name for one in findings))
            return text if changed else "", left
        text, changed = again.correct(remedy), True
    return text, ()
