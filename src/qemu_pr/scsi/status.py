"""How a command ends: its status code, sense data and the data it returned."""

from enum import IntEnum

from qemu_pr.scsi.sense import Sense
from qemu_pr.value import Value


class Status(IntEnum):
    """Status codes a logical unit completes a command with (SAM-5, 5.3.1)."""

    GOOD = 0x00
    CHECK_CONDITION = 0x02
    CONDITION_MET = 0x04
    BUSY = 0x08
    RESERVATION_CONFLICT = 0x18
    TASK_SET_FULL = 0x28
    ACA_ACTIVE = 0x30
    TASK_ABORTED = 0x40


class Completion(Value):
    """What a command came to.

    Attributes:
        status: The status code; a value that `Status` lacks is kept as the device sent it.
        sense: Sense data, at most 252 bytes; empty unless the status is CHECK CONDITION.
        data: The data of a PERSISTENT RESERVE IN that ended with GOOD, else empty.
    """

    __slots__ = ("status", "sense", "data")  # noqa: RUF023 - in the order of the arguments

    def __init__(self, status: int, sense: bytes = b"", data: bytes = b"") -> None:
        self.status = status
        self.sense = sense
        self.data = data

    @classmethod
    def check_condition(cls, sense: Sense) -> "Completion":
        """Complete a command with CHECK CONDITION and fixed-format sense data."""
        return cls(Status.CHECK_CONDITION, sense.encode_fixed())


GOOD = Completion(Status.GOOD)
RESERVATION_CONFLICT = Completion(Status.RESERVATION_CONFLICT)
