"""Faults that are met in reading a command line, before it is known what it says."""

from collections.abc import Iterator

from qemu_pr.lint.command import Command, FaultyPlace
from qemu_pr.lint.faults.fault import Fault
from qemu_pr.lint.met import Met


def fault(met: Met, why: str, remedy: str) -> Fault:
    """Give the fault that a reader has met under a name."""

    def find(command: Command) -> Iterator[FaultyPlace]:
        yield from (found for name, found in command.misread if name is met)

    return Fault(met, why, remedy, find)
