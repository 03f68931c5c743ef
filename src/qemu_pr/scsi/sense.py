"""Sense data: why a command ended with CHECK CONDITION (SPC-4, 4.5)."""

from dataclasses import dataclass
from enum import IntEnum

from qemu_pr.scsi.errors import MalformedError


class SenseKey(IntEnum):
    """The sense keys (SPC-4, table 48)."""

    NO_SENSE = 0x0
    RECOVERED_ERROR = 0x1
    NOT_READY = 0x2
    MEDIUM_ERROR = 0x3
    HARDWARE_ERROR = 0x4
    ILLEGAL_REQUEST = 0x5
    UNIT_ATTENTION = 0x6
    DATA_PROTECT = 0x7
    BLANK_CHECK = 0x8
    VENDOR_SPECIFIC = 0x9
    COPY_ABORTED = 0xA
    ABORTED_COMMAND = 0xB
    RESERVED = 0xC
    VOLUME_OVERFLOW = 0xD
    MISCOMPARE = 0xE
    COMPLETED = 0xF


@dataclass(frozen=True, slots=True)
class Sense:
    """Sense key, additional sense code and its qualifier.

    Attributes:
        key: SENSE KEY, 4 bits.
        asc: ADDITIONAL SENSE CODE, 1 byte.
        ascq: ADDITIONAL SENSE CODE QUALIFIER, 1 byte.
        deferred: The error belongs to an earlier command (SPC-4, 4.5.1).
    """

    key: SenseKey
    asc: int
    ascq: int
    deferred: bool = False

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
            return cls(SenseKey(data[2] & 0x0F), asc, ascq, deferred)
        if response_code in (0x72, 0x73) and len(data) >= 8:
            return cls(SenseKey(data[1] & 0x0F), data[2], data[3], deferred)
        raise MalformedError(f"sense data: response code {response_code:#04x} in {len(data)} bytes")


# The senses that this package produces itself, by the name SPC-4 gives them.
COMMAND_IO_PROCESS_TERMINATED = Sense(SenseKey.ABORTED_COMMAND, 0x00, 0x06)
LOGICAL_UNIT_COMMUNICATION_FAILURE = Sense(SenseKey.ABORTED_COMMAND, 0x08, 0x00)
PARAMETER_LIST_LENGTH_ERROR = Sense(SenseKey.ILLEGAL_REQUEST, 0x1A, 0x00)
INVALID_OPERATION_CODE = Sense(SenseKey.ILLEGAL_REQUEST, 0x20, 0x00)
INVALID_FIELD_IN_CDB = Sense(SenseKey.ILLEGAL_REQUEST, 0x24, 0x00)
INVALID_FIELD_IN_PARAMETER_LIST = Sense(SenseKey.ILLEGAL_REQUEST, 0x26, 0x00)
INVALID_RELEASE_OF_PERSISTENT_RESERVATION = Sense(SenseKey.ILLEGAL_REQUEST, 0x26, 0x04)
POWER_ON_RESET_OR_BUS_DEVICE_RESET = Sense(SenseKey.UNIT_ATTENTION, 0x29, 0x00)
RESERVATIONS_PREEMPTED = Sense(SenseKey.UNIT_ATTENTION, 0x2A, 0x03)
RESERVATIONS_RELEASED = Sense(SenseKey.UNIT_ATTENTION, 0x2A, 0x04)
REGISTRATIONS_PREEMPTED = Sense(SenseKey.UNIT_ATTENTION, 0x2A, 0x05)

# What Linux tells of a command that no logical unit answered, put into sense data.
MEDIUM_NOT_PRESENT = Sense(SenseKey.NOT_READY, 0x3A, 0x00)
UNRECOVERED_READ_ERROR = Sense(SenseKey.MEDIUM_ERROR, 0x11, 0x00)
INTERNAL_TARGET_FAILURE = Sense(SenseKey.HARDWARE_ERROR, 0x44, 0x00)
SPACE_ALLOCATION_FAILED_WRITE_PROTECT = Sense(SenseKey.DATA_PROTECT, 0x27, 0x07)
LOGICAL_UNIT_DOES_NOT_RESPOND_TO_SELECTION = Sense(SenseKey.ABORTED_COMMAND, 0x05, 0x00)
I_T_NEXUS_LOSS_OCCURRED = Sense(SenseKey.ABORTED_COMMAND, 0x29, 0x07)
COMMAND_TIMEOUT_DURING_PROCESSING = Sense(SenseKey.ABORTED_COMMAND, 0x2E, 0x02)
COMMANDS_CLEARED_BY_DEVICE_SERVER = Sense(SenseKey.ABORTED_COMMAND, 0x2F, 0x02)
