"""The faults that are met in reading, before it is known what a command line says: their names."""

from enum import StrEnum


class Met(StrEnum):
    """A fault that a reader meets; the table of faults says why it is one."""

    MISSING_BACKSLASH = "missing-backslash"
    BLANK_BEHIND_BACKSLASH = "blank-behind-backslash"
    COMMENT_BETWEEN = "comment-between"
    OPEN_QUOTE = "open-quote"
    BLANK_IN_VALUE = "blank-in-value"
    UNREADABLE_OPTION = "unreadable-option"
    NOT_READ = "not-read"
    MISPLACED_RESERVATIONS = "misplaced-reservations"
    MANAGED = "managed"


MENDED = frozenset(Met) - {Met.OPEN_QUOTE, Met.UNREADABLE_OPTION, Met.NOT_READ}
"""What the corrected text of a command is without, before any remedy."""
