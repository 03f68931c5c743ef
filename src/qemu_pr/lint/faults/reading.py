"""Faults that are met in reading a command line, before it is known what it says."""

from collections.abc import Callable, Iterator

from qemu_pr.lint.command import Command, Found

MENDED = frozenset(
    {
        *("missing-backslash", "blank-behind-backslash", "comment-between", "blank-in-value"),
        *("misplaced-reservations", "managed"),
    }
)
"""What the corrected text of a command is without, before any remedy."""


def met(name: str) -> Callable[[Command], Iterator[Found]]:
    """Give what finds a fault that the reader has met.

    Args:
        name: The name that the reader has for it.
    """

    def find(command: Command) -> Iterator[Found]:
        yield from (found for fault, found in command.misread if fault == name)

    return find
