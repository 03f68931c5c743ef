"""What a fault is: one entry of the table in `qemu_pr.lint.faults`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from qemu_pr.lint.command import Command, FaultyPlace


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that keeps reservations from working.

    Attributes:
        name: What it is called, in messages and in the manual.
        why: Why it does harm.
        remedy: What to do about it.
        find: Finds it in a command line.
    """

    name: str
    why: str
    remedy: str
    find: Callable[[Command], Iterator[FaultyPlace]]
