"""Status codes by name, and how a command ends."""

from enum import IntEnum

from qemu_pr.scsi import codes
from qemu_pr.scsi.completion import GOOD, RESERVATION_CONFLICT, Completion

__all__ = ["GOOD", "RESERVATION_CONFLICT", "Completion", "Status"]


class Status(IntEnum):
    """Status codes a logical unit completes a command with (SAM-5, 5.3.1)."""

    GOOD = codes.GOOD
    CHECK_CONDITION = codes.CHECK_CONDITION
    CONDITION_MET = codes.CONDITION_MET
    BUSY = codes.BUSY
    RESERVATION_CONFLICT = codes.RESERVATION_CONFLICT
    TASK_SET_FULL = codes.TASK_SET_FULL
    ACA_ACTIVE = codes.ACA_ACTIVE
    TASK_ABORTED = codes.TASK_ABORTED
