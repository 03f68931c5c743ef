"""Sense data, fixed and descriptor format: the bytes of SPC-4, 4.5.2 and 4.5.3."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qemu_pr.scsi import sense
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.sense_keys import SenseKey
from qemu_pr.scsi.status import Completion, Status
from scsi_strategies import bits, damaged

#        0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17
FIXED = "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 00 00 00"
DEFERRED_FIXED = "71 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 00 00 00"
#             0  1  2  3  4  5  6  7
DESCRIPTOR = "72 05 24 00 00 00 00 00"
DEFERRED_DESCRIPTOR = "73 05 24 00 00 00 00 00"

DEFERRED_INVALID_FIELD = Sense(SenseKey.ILLEGAL_REQUEST, 0x24, 0x00, deferred=True)

senses = st.builds(Sense, st.sampled_from(SenseKey), bits(8), bits(8), st.booleans())


def test_fixed_format_has_the_bytes_of_the_standard():
    assert sense.INVALID_FIELD_IN_CDB.encode_fixed() == bytes.fromhex(FIXED)
    assert DEFERRED_INVALID_FIELD.encode_fixed() == bytes.fromhex(DEFERRED_FIXED)


def test_descriptor_format_has_the_bytes_of_the_standard():
    assert sense.INVALID_FIELD_IN_CDB.encode_descriptor() == bytes.fromhex(DESCRIPTOR)
    assert DEFERRED_INVALID_FIELD.encode_descriptor() == bytes.fromhex(DEFERRED_DESCRIPTOR)


@given(senses)
def test_decoding_what_was_encoded_in_either_format_gives_the_sense_back(value):
    assert Sense.decode(value.encode_fixed()) == value
    assert Sense.decode(value.encode_descriptor()) == value


@given(st.binary(max_size=300) | damaged(st.builds(Sense.encode_fixed, senses)))
def test_garbage_raises_malformed_errors_only(data):
    try:
        value = Sense.decode(data)
    except MalformedError:
        assert len(data) < 8 or data[0] & 0x7F not in (0x70, 0x71, 0x72, 0x73)
    else:
        assert value.deferred == (data[0] & 0x7F in (0x71, 0x73))


@given(senses, st.binary(max_size=200))
def test_what_follows_the_three_fields_is_ignored(value, more):
    assert Sense.decode(value.encode_fixed() + more) == value
    assert Sense.decode(value.encode_descriptor() + more) == value


def test_the_valid_bit_and_the_filemark_bits_do_not_matter():
    data = bytearray.fromhex(FIXED)
    data[0] |= 0x80
    data[2] |= 0xF0

    assert Sense.decode(bytes(data)) == sense.INVALID_FIELD_IN_CDB


@pytest.mark.parametrize("size", [8, 12, 13])
def test_fixed_format_cut_before_the_additional_sense_code_has_the_key_alone(size):
    cut = bytes.fromhex(FIXED)[:size]

    assert Sense.decode(cut) == Sense(SenseKey.ILLEGAL_REQUEST, 0, 0)


def test_an_additional_sense_length_that_ends_early_leaves_the_key_alone():
    data = bytearray.fromhex(FIXED)
    data[7] = 5  # bytes 8 to 12: the qualifier, at 13, is not valid

    assert Sense.decode(bytes(data)) == Sense(SenseKey.ILLEGAL_REQUEST, 0, 0)


@pytest.mark.parametrize("data", [b"", b"\x70", bytes(18), b"\x74" + bytes(17), b"\x7f" * 8])
def test_an_unknown_response_code_or_too_few_bytes_are_refused(data):
    with pytest.raises(MalformedError, match="response code"):
        Sense.decode(data)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (sense.RESERVATIONS_PREEMPTED, "06/2A/03"),
        (sense.RESERVATIONS_RELEASED, "06/2A/04"),
        (sense.REGISTRATIONS_PREEMPTED, "06/2A/05"),
        (sense.POWER_ON_RESET_OR_BUS_DEVICE_RESET, "06/29/00"),
        (sense.INVALID_OPERATION_CODE, "05/20/00"),
        (sense.INVALID_FIELD_IN_CDB, "05/24/00"),
        (sense.INVALID_FIELD_IN_PARAMETER_LIST, "05/26/00"),
        (sense.PARAMETER_LIST_LENGTH_ERROR, "05/1A/00"),
        (sense.COMMAND_IO_PROCESS_TERMINATED, "0B/00/06"),
        (sense.LOGICAL_UNIT_COMMUNICATION_FAILURE, "0B/08/00"),
        (sense.MEDIUM_NOT_PRESENT, "02/3A/00"),
        (sense.UNRECOVERED_READ_ERROR, "03/11/00"),
        (sense.INTERNAL_TARGET_FAILURE, "04/44/00"),
        (sense.SPACE_ALLOCATION_FAILED_WRITE_PROTECT, "07/27/07"),
        (sense.LOGICAL_UNIT_DOES_NOT_RESPOND_TO_SELECTION, "0B/05/00"),
        (sense.I_T_NEXUS_LOSS_OCCURRED, "0B/29/07"),
        (sense.COMMAND_TIMEOUT_DURING_PROCESSING, "0B/2E/02"),
        (sense.COMMANDS_CLEARED_BY_DEVICE_SERVER, "0B/2F/02"),
    ],
)
def test_the_senses_have_the_codes_of_the_standard(value, text):
    assert str(value) == text


def test_the_sense_keys_have_the_values_of_the_standard():
    names = (
        "NO_SENSE RECOVERED_ERROR NOT_READY MEDIUM_ERROR HARDWARE_ERROR ILLEGAL_REQUEST"
        " UNIT_ATTENTION DATA_PROTECT BLANK_CHECK VENDOR_SPECIFIC COPY_ABORTED ABORTED_COMMAND"
        " RESERVED VOLUME_OVERFLOW MISCOMPARE COMPLETED"
    )

    assert {key.name: key.value for key in SenseKey} == {
        name: value for value, name in enumerate(names.split())
    }


def test_the_status_codes_have_the_values_of_the_standard():
    assert {status.name: status.value for status in Status} == {
        "GOOD": 0x00,
        "CHECK_CONDITION": 0x02,
        "CONDITION_MET": 0x04,
        "BUSY": 0x08,
        "RESERVATION_CONFLICT": 0x18,
        "TASK_SET_FULL": 0x28,
        "ACA_ACTIVE": 0x30,
        "TASK_ABORTED": 0x40,
    }


def test_check_condition_carries_fixed_format_sense():
    completion = Completion.check_condition(sense.INVALID_FIELD_IN_CDB)

    assert completion == Completion(Status.CHECK_CONDITION, bytes.fromhex(FIXED))
