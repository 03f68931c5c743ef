"""Brings texts and faults together: what is wrong with command lines, and what is right."""

from collections import Counter
from dataclasses import dataclass, replace

from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.host.block_devices import OF_NO_HOST, BlockDevices
from qemu_pr.lint.command import Change, Command, FaultyPlace, path_of
from qemu_pr.lint.faults import FAULTS
from qemu_pr.lint.faults.fault import Fault
from qemu_pr.lint.met import MENDED
from qemu_pr.lint.readers import commands

_STEPS = 100  # more than any command line has faults

_Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault and where it was found."""

    fault: Fault
    place: FaultyPlace


@dataclass(frozen=True, slots=True)
class Report:
    """What is to be said of one command line.

    Attributes:
        line: The line that it starts on, counted from 1.
        findings: Its faults, in the order of their lines; none if all is well.
        corrected: Its text without the faults that can be corrected; empty if none can.
        left: The names of the faults that the corrected text still has.
        hints: What would be a fault if the text had no more than was read.
        is_read: Whether it is a command line that was read; else a hint names the line.
    """

    line: int
    findings: tuple[Finding, ...]
    corrected: str
    left: tuple[str, ...]
    hints: tuple[Finding, ...] = ()
    is_read: bool = True


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
    found = sorted(_findings(command), key=lambda one: one.place.line)
    findings = tuple(one for one in found if one.place.certain)
    hints = tuple(one for one in found if not one.place.certain)
    corrected, left = _correct(command) if findings else ("", ())
    return Report(command.line, findings, corrected, left, hints, command.is_read)


def _findings(command: Command) -> list[Finding]:
    return [Finding(fault, place) for fault in FAULTS for place in fault.find(command)]


def _faults(command: Command) -> list[Finding]:
    return [one for one in _findings(command) if one.place.certain]


def _correct(command: Command) -> tuple[str, tuple[str, ...]]:
    """Apply one remedy after the other, each to the text that the last one gave.

    The text is read again after each. A remedy after which it has another fault in that place, or
    means other disks, is left out.
    """
    text, changed = command.correct(()), any(name in MENDED for name, _ in command.misread)
    again = _read_again(command, text)
    if again is None or _paths(again) != _paths(command):
        return "", ()
    refused: set[_Name] = set()
    for _ in range(_STEPS):
        wanted = (one for one in _faults(again) if one.place.remedies and _name(one) not in refused)
        finding = next(wanted, None)
        if finding is None:
            break
        try:
            better = again.correct(finding.place.remedies)
        except CommandLineError:  # such a text has no way to write it
            better = text
        read = _read_again(command, better)
        if read is not None and _is_better(read, again, finding):
            text, again, changed = better, read, True
        else:
            refused.add(_name(finding))
    left = tuple(dict.fromkeys(one.fault.name for one in _faults(again)))
    return text if changed else "", left


def _is_better(new: Command, old: Command, finding: Finding) -> bool:
    """Tell whether a remedy took its fault away, and to no other place, and nothing else."""
    before, after = (Counter(found.fault.name for found in _faults(one)) for one in (old, new))
    name = finding.fault.name
    given = [one.value for one in finding.place.remedies if isinstance(one, Change)]
    other_disks = _paths(new) - _paths(old) - Counter(given)
    return after[name] < before[name] and len(new.misread) <= len(old.misread) and not other_disks


def _read_again(command: Command, text: str) -> Command | None:
    read = command.read(text)
    if len(read) != 1:
        return None
    return replace(
        read[0],
        sockets=command.sockets,
        used=command.used,
        closed=command.closed,
        program=command.program,
        block_devices=command.block_devices,
    )


def _paths(command: Command) -> Counter[str]:
    """Count what the command opens."""
    return Counter(path_of(node)[1] for node in command.of("blockdev", "drive"))


def _name(finding: Finding) -> _Name:
    return finding.fault.name, finding.place.what
