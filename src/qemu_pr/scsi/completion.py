"""How a command ends: status, sense data and the data it returned."""

from __future__ import annotations

from qemu_pr.scsi import codes
from qemu_pr.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qemu_pr.scsi.sense import Sense


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
    def check_condition(cls, sense: Sense) -> Completion:
        """Complete a command with CHECK CONDITION and fixed-format sense data."""
        return cls(codes.CHECK_CONDITION, sense.encode_fixed())


GOOD = Completion(codes.GOOD)
RESERVATION_CONFLICT = Completion(codes.RESERVATION_CONFLICT)
