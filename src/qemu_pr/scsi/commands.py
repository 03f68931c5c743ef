"""PERSISTENT RESERVE IN and OUT command descriptor blocks (SPC-4, 6.15 and 6.16)."""

from enum import IntEnum

from qemu_pr.record import Record
from qemu_pr.scsi import fields
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.opcodes import PERSISTENT_RESERVE_IN, PERSISTENT_RESERVE_OUT

__all__ = [
    "CDB_SIZE",
    "PERSISTENT_RESERVE_IN",
    "PERSISTENT_RESERVE_OUT",
    "InServiceAction",
    "OutServiceAction",
    "PersistentReserveIn",
    "PersistentReserveOut",
    "ReservationType",
    "Scope",
    "decode",
]

CDB_SIZE = 10


class InServiceAction(IntEnum):
    """PERSISTENT RESERVE IN service actions (SPC-4, table 201)."""

    READ_KEYS = 0
    READ_RESERVATION = 1
    REPORT_CAPABILITIES = 2
    READ_FULL_STATUS = 3


class OutServiceAction(IntEnum):
    """PERSISTENT RESERVE OUT service actions (SPC-4, table 213)."""

    REGISTER = 0
    RESERVE = 1
    RELEASE = 2
    CLEAR = 3
    PREEMPT = 4
    PREEMPT_AND_ABORT = 5
    REGISTER_AND_IGNORE_EXISTING_KEY = 6
    REGISTER_AND_MOVE = 7
    REPLACE_LOST_RESERVATION = 8


class Scope(IntEnum):
    """The one scope a persistent reservation can have (SPC-4, 6.15.3.3)."""

    LU_SCOPE = 0


class ReservationType(IntEnum):
    """Persistent reservation types (SPC-4, table 206)."""

    WRITE_EXCLUSIVE = 1
    EXCLUSIVE_ACCESS = 3
    WRITE_EXCLUSIVE_REGISTRANTS_ONLY = 5
    EXCLUSIVE_ACCESS_REGISTRANTS_ONLY = 6
    WRITE_EXCLUSIVE_ALL_REGISTRANTS = 7
    EXCLUSIVE_ACCESS_ALL_REGISTRANTS = 8


class PersistentReserveIn(Record):
    """A PERSISTENT RESERVE IN command.

    Attributes:
        service_action: `InServiceAction`, or any other value of its 5 bits.
        allocation_length: The most bytes that the caller takes, 16 bits.
        control: CONTROL byte (SAM-5, 5.2).
    """

    opcode = PERSISTENT_RESERVE_IN
    service_action: int
    allocation_length: int
    control: int = 0

    def encode(self) -> bytes:
        """Encode as a 10-byte CDB.

        Raises:
            MalformedError: A value does not fit into its field.
        """
        fields.check(self.service_action, 5, "SERVICE ACTION")
        fields.check(self.allocation_length, 16, "ALLOCATION LENGTH")
        fields.check(self.control, 8, "CONTROL")
        return (
            bytes((self.opcode, self.service_action, 0, 0, 0, 0, 0))
            + self.allocation_length.to_bytes(2, "big")
            + bytes((self.control,))
        )

    @classmethod
    def decode(cls, cdb: bytes) -> "PersistentReserveIn":
        """Read a CDB of 10 bytes or more; what follows the tenth is ignored.

        Raises:
            MalformedError: The CDB is too short or has another operation code.
        """
        _check_opcode(cdb, cls.opcode)
        return cls(cdb[1] & 0x1F, int.from_bytes(cdb[7:9], "big"), cdb[9])


class PersistentReserveOut(Record):
    """A PERSISTENT RESERVE OUT command.

    Attributes:
        service_action: `OutServiceAction`, or any other value of its 5 bits.
        parameter_list_length: Bytes of parameter list that follow, 32 bits.
        scope: `Scope`, or any other value of its 4 bits.
        type: `ReservationType`, or any other value of its 4 bits.
        control: CONTROL byte (SAM-5, 5.2).
    """

    opcode = PERSISTENT_RESERVE_OUT
    service_action: int
    parameter_list_length: int
    scope: int = Scope.LU_SCOPE
    type: int = 0
    control: int = 0

    def encode(self) -> bytes:
        """Encode as a 10-byte CDB.

        Raises:
            MalformedError: A value does not fit into its field.
        """
        fields.check(self.service_action, 5, "SERVICE ACTION")
        fields.check(self.scope, 4, "SCOPE")
        fields.check(self.type, 4, "TYPE")
        fields.check(self.parameter_list_length, 32, "PARAMETER LIST LENGTH")
        fields.check(self.control, 8, "CONTROL")
        return (
            bytes((self.opcode, self.service_action, self.scope << 4 | self.type, 0, 0))
            + self.parameter_list_length.to_bytes(4, "big")
            + bytes((self.control,))
        )

    @classmethod
    def decode(cls, cdb: bytes) -> "PersistentReserveOut":
        """Read a CDB of 10 bytes or more; what follows the tenth is ignored.

        Raises:
            MalformedError: The CDB is too short or has another operation code.
        """
        _check_opcode(cdb, cls.opcode)
        return cls(
            service_action=cdb[1] & 0x1F,
            parameter_list_length=int.from_bytes(cdb[5:9], "big"),
            scope=cdb[2] >> 4,
            type=cdb[2] & 0x0F,
            control=cdb[9],
        )


def decode(cdb: bytes) -> PersistentReserveIn | PersistentReserveOut:
    """Read a PERSISTENT RESERVE IN or OUT CDB, told apart by its operation code.

    Raises:
        MalformedError: The CDB is too short or has another operation code.
    """
    if cdb[:1] == bytes((PERSISTENT_RESERVE_IN,)):
        return PersistentReserveIn.decode(cdb)
    return PersistentReserveOut.decode(cdb)


def _check_opcode(cdb: bytes, opcode: int) -> None:
    if len(cdb) < CDB_SIZE:
        raise MalformedError(f"CDB: needs {CDB_SIZE} bytes, got {len(cdb)}")
    if cdb[0] != opcode:
        raise MalformedError(f"OPERATION CODE: {cdb[0]:#04x}, not {opcode:#04x}")
