"""Status codes by name, and how a command ends."""

from enum import IntEnum

from qemu_pr.scsi import status_codes
from qemu_pr.scsi.completion import GOOD, RESERVATION_CONFLICT, Completion

__all__ = ["GOOD", "RESERVATION_CONFLICT", "Completion", "Status"]


class Status(IntEnum):
    """Status codes a logical unit completes a command with (SAM-5, 5.3.1)."""

    GOOD = status_codes.GOOD
    CHECK_CONDITION = status_codes.CHECK_CONDITION
    CONDITION_MET = status_codes.CONDITION_MET
    BUSY = status_codes.BUSY
    RESERVATION_CONFLICT = status_codes.RESERVATION_CONFLICT
    TASK_SET_FULL = status_codes.TASK_SET_FULL
    ACA_ACTIVE = status_codes.ACA_ACTIVE
    TASK_ABORTED = status_codes.TASK_ABORTED
