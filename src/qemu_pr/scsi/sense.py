"""Sense data: why a command ended with CHECK CONDITION (SPC-4, 4.5)."""

from qemu_pr.scsi.errors import MalformedError
from qemu_pr.value import Value


class Sense(Value):
    """Sense key, additional sense code and its qualifier.

    Attributes:
        key: SENSE KEY, 4 bits; `SenseKey` names them.
        asc: ADDITIONAL SENSE CODE, 1 byte.
        ascq: ADDITIONAL SENSE CODE QUALIFIER, 1 byte.
        deferred: The error belongs to an earlier command (SPC-4, 4.5.1).
    """

    __slots__ = ("key", "asc", "ascq", "deferred")  # noqa: RUF023 - in the order of the arguments

    def __init__(self, key: int, asc: int, ascq: int, deferred: bool = False) -> None:
        self.key = key
        self.asc = asc
        self.ascq = ascq
        self.deferred = deferred

    def __str__(self) -> str:
        """Give ``key/asc/ascq`` as SCSI people write it, two hex digits each."""
        return f"{self.key:02X}/{self.asc:02X}/{self.ascq:02X}"

    def encode_fixed(self) -> bytes:
        """Encode as 18 bytes of fixed-format sense data (SPC-4, 4.5.3)."""
        data = bytearray(18)
        data[0] = 0x71 if self.deferred else 0x70
        data[2] = self.key
        data[7] = len(data) - 8
        data[12:14] = self.asc, self.ascq
        return bytes(data)

    def encode_descriptor(self) -> bytes:
        """Encode as 8 bytes of descriptor-format sense data (SPC-4, 4.5.2)."""
        response_code = 0x73 if self.deferred else 0x72
        return bytes((response_code, self.key, self.asc, self.ascq, 0, 0, 0, 0))

    @classmethod
    def decode(cls, data: bytes) -> "Sense":
        """Read key, code and qualifier from sense data of either format.

        Args:
            data: Sense data as a device returned it; what follows the three fields is ignored.

        Raises:
            MalformedError: The response code is unknown or the data ends before the sense key.
        """
        response_code = data[0] & 0x7F if data else 0
        deferred = response_code in (0x71, 0x73)
        if response_code in (0x70, 0x71) and len(data) >= 8:
            # A device may cut fixed-format data short; the additional sense code is then unknown.
            asc, ascq = (data[12], data[13]) if len(data) >= 14 and data[7] >= 6 else (0, 0)
            return cls(data[2] & 0x0F, asc, ascq, deferred)
        if response_code in (0x72, 0x73) and len(data) >= 8:
            return cls(data[1] & 0x0F, data[2], data[3], deferred)
        raise MalformedError(f"sense data: response code {response_code:#04x} in {len(data)} bytes")


# The senses that this package produces itself, by the name SPC-4 gives them.
COMMAND_IO_PROCESS_TERMINATED = Sense(0x0B, 0x00, 0x06)
LOGICAL_UNIT_COMMUNICATION_FAILURE = Sense(0x0B, 0x08, 0x00)
PARAMETER_LIST_LENGTH_ERROR = Sense(0x05, 0x1A, 0x00)
INVALID_OPERATION_CODE = Sense(0x05, 0x20, 0x00)
INVALID_FIELD_IN_CDB = Sense(0x05, 0x24, 0x00)
INVALID_FIELD_IN_PARAMETER_LIST = Sense(0x05, 0x26, 0x00)
INVALID_RELEASE_OF_PERSISTENT_RESERVATION = Sense(0x05, 0x26, 0x04)
POWER_ON_RESET_OR_BUS_DEVICE_RESET = Sense(0x06, 0x29, 0x00)
BUS_DEVICE_RESET_FUNCTION_OCCURRED = Sense(0x06, 0x29, 0x03)
RESERVATIONS_PREEMPTED = Sense(0x06, 0x2A, 0x03)
RESERVATIONS_RELEASED = Sense(0x06, 0x2A, 0x04)
REGISTRATIONS_PREEMPTED = Sense(0x06, 0x2A, 0x05)

# What Linux tells of a command that no logical unit answered, put into sense data.
MEDIUM_NOT_PRESENT = Sense(0x02, 0x3A, 0x00)
UNRECOVERED_READ_ERROR = Sense(0x03, 0x11, 0x00)
INTERNAL_TARGET_FAILURE = Sense(0x04, 0x44, 0x00)
SPACE_ALLOCATION_FAILED_WRITE_PROTECT = Sense(0x07, 0x27, 0x07)
LOGICAL_UNIT_DOES_NOT_RESPOND_TO_SELECTION = Sense(0x0B, 0x05, 0x00)
I_T_NEXUS_LOSS_OCCURRED = Sense(0x0B, 0x29, 0x07)
COMMAND_TIMEOUT_DURING_PROCESSING = Sense(0x0B, 0x2E, 0x02)
COMMANDS_CLEARED_BY_DEVICE_SERVER = Sense(0x0B, 0x2F, 0x02)
