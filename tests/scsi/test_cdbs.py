"""PERSISTENT RESERVE IN and OUT CDBs: the bytes of SPC-4, 6.15.1 and 6.16.1."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qemu_pr.scsi import commands
from qemu_pr.scsi.commands import InServiceAction as In
from qemu_pr.scsi.commands import OutServiceAction as Out
from qemu_pr.scsi.commands import PersistentReserveIn, PersistentReserveOut
from qemu_pr.scsi.commands import ReservationType as Type
from qemu_pr.scsi.errors import MalformedError
from scsi_strategies import bits


def reserve(type_: Type) -> PersistentReserveOut:
    return PersistentReserveOut(Out.RESERVE, 24, type=type_)


# Byte:  0  1  2  3  4  5  6  7  8  9
CDBS = [
    ("5e 00 00 00 00 00 00 20 00 00", PersistentReserveIn(In.READ_KEYS, 8192)),
    ("5e 01 00 00 00 00 00 00 18 00", PersistentReserveIn(In.READ_RESERVATION, 24)),
    ("5e 02 00 00 00 00 00 00 08 00", PersistentReserveIn(In.REPORT_CAPABILITIES, 8)),
    ("5e 03 00 00 00 00 00 ff ff 80", PersistentReserveIn(In.READ_FULL_STATUS, 65535, 0x80)),
    ("5e 1f 00 00 00 00 00 00 00 00", PersistentReserveIn(31, 0)),
    ("5f 00 00 00 00 00 00 00 18 00", PersistentReserveOut(Out.REGISTER, 24)),
    ("5f 01 01 00 00 00 00 00 18 00", reserve(Type.WRITE_EXCLUSIVE)),
    ("5f 01 03 00 00 00 00 00 18 00", reserve(Type.EXCLUSIVE_ACCESS)),
    ("5f 01 05 00 00 00 00 00 18 00", reserve(Type.WRITE_EXCLUSIVE_REGISTRANTS_ONLY)),
    ("5f 01 06 00 00 00 00 00 18 00", reserve(Type.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY)),
    ("5f 01 07 00 00 00 00 00 18 00", reserve(Type.WRITE_EXCLUSIVE_ALL_REGISTRANTS)),
    ("5f 01 08 00 00 00 00 00 18 00", reserve(Type.EXCLUSIVE_ACCESS_ALL_REGISTRANTS)),
    ("5f 02 00 00 00 00 00 00 18 00", PersistentReserveOut(Out.RELEASE, 24)),
    ("5f 03 00 00 00 00 00 00 18 00", PersistentReserveOut(Out.CLEAR, 24)),
    ("5f 04 00 00 00 00 00 00 18 00", PersistentReserveOut(Out.PREEMPT, 24)),
    ("5f 05 00 00 00 00 00 00 18 00", PersistentReserveOut(Out.PREEMPT_AND_ABORT, 24)),
    ("5f 06 00 00 00 00 00 00 18 00",
     PersistentReserveOut(Out.REGISTER_AND_IGNORE_EXISTING_KEY, 24)),
    ("5f 07 00 00 00 00 00 00 30 00", PersistentReserveOut(Out.REGISTER_AND_MOVE, 48)),
    ("5f 08 00 00 00 00 00 00 18 00", PersistentReserveOut(Out.REPLACE_LOST_RESERVATION, 24)),
    ("5f 1f f2 00 00 12 34 56 78 04", PersistentReserveOut(31, 0x12345678, 15, 2, 4)),
]  # fmt: skip

in_commands = st.builds(PersistentReserveIn, bits(5), bits(16), bits(8))
out_commands = st.builds(PersistentReserveOut, bits(5), bits(32), bits(4), bits(4), bits(8))


@pytest.mark.parametrize(("cdb", "command"), CDBS, ids=lambda value: str(value)[:8])
def test_a_command_has_the_bytes_of_the_standard(cdb, command):
    assert command.encode() == bytes.fromhex(cdb)
    assert commands.decode(bytes.fromhex(cdb)) == command


@given(in_commands | out_commands)
def test_decoding_what_was_encoded_gives_the_command_back(command):
    assert commands.decode(command.encode()) == command
    assert type(command).decode(command.encode()) == command


@given(in_commands | out_commands, st.binary(max_size=6))
def test_bytes_behind_the_tenth_are_ignored(command, more):
    assert commands.decode(command.encode() + more) == command


@given(bits(3), bits(40), in_commands)
def test_reserved_bits_are_ignored(high, middle, command):
    cdb = bytearray(command.encode())
    cdb[1] |= high << 5
    cdb[2:7] = middle.to_bytes(5, "big")

    assert commands.decode(bytes(cdb)) == command


@given(st.binary(max_size=20))
def test_garbage_raises_malformed_errors_only(cdb):
    try:
        command = commands.decode(cdb)
    except MalformedError:
        assert len(cdb) < 10 or cdb[0] not in (0x5E, 0x5F)
    else:
        assert command.opcode == cdb[0]


@pytest.mark.parametrize("size", range(10))
@pytest.mark.parametrize("opcode", [0x5E, 0x5F])
def test_fewer_than_ten_bytes_are_refused(opcode, size):
    with pytest.raises(MalformedError, match=f"needs 10 bytes, got {size}"):
        commands.decode(bytes((opcode, *bytes(9)))[:size])


@pytest.mark.parametrize(
    ("decode", "opcode"),
    [(PersistentReserveIn.decode, 0x5F), (PersistentReserveOut.decode, 0x5E), (commands.decode, 0)],
)
def test_another_operation_code_is_refused(decode, opcode):
    with pytest.raises(MalformedError, match=f"OPERATION CODE: {opcode:#04x}"):
        decode(bytes((opcode, *bytes(9))))


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (PersistentReserveIn(32, 8), "SERVICE ACTION"),
        (PersistentReserveIn(0, 1 << 16), "ALLOCATION LENGTH"),
        (PersistentReserveIn(0, -1), "ALLOCATION LENGTH"),
        (PersistentReserveIn(0, 8, 256), "CONTROL"),
        (PersistentReserveOut(32, 24), "SERVICE ACTION"),
        (PersistentReserveOut(0, 1 << 32), "PARAMETER LIST LENGTH"),
        (PersistentReserveOut(0, 24, scope=16), "SCOPE"),
        (PersistentReserveOut(0, 24, type=16), "TYPE"),
        (PersistentReserveOut(0, 24, control=-1), "CONTROL"),
    ],
)
def test_a_value_that_does_not_fit_its_field_is_refused_by_name(command, field):
    with pytest.raises(MalformedError, match=re.escape(field)):
        command.encode()
