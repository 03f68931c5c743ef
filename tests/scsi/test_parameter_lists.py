"""PERSISTENT RESERVE OUT parameter lists: the bytes of SPC-4, 6.16.3 and 6.16.4."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.parameter_lists import (
    ParameterList,
    ParameterListLengthError,
    RegisterAndMoveParameterList,
)
from qemu_pr.scsi.transport_ids import SASTransportID
from scsi_strategies import bits, damaged, transport_ids

KEY, NEW_KEY = 0x0123456789ABCDEF, 0xFEDCBA9876543210
KEYS = "01 23 45 67 89 ab cd effe dc ba 98 76 54 32 10"
PORT = SASTransportID(0x6001405000000001)
SAS = "06 00 00 0060 01 40 50 00 00 00 01" + "00" * 12

BASIC = [
    # keys, 4 obsolete bytes, SPEC_I_PT 08h | ALL_TG_PT 04h | APTPL 01h, reserved, 2 obsolete
    (KEYS + "00 00 00 00" "00" "00 00 00", ParameterList(KEY, NEW_KEY)),
    (KEYS + "00 00 00 00" "01" "00 00 00", ParameterList(KEY, NEW_KEY, aptpl=True)),
    (KEYS + "00 00 00 00" "04" "00 00 00", ParameterList(KEY, NEW_KEY, all_tg_pt=True)),
    (KEYS + "00 00 00 00" "08" "00 00 00" "00 00 00 00",
     ParameterList(KEY, NEW_KEY, initiator_ports=())),
    (KEYS + "00 00 00 00" "0d" "00 00 00" "00 00 00 30" + SAS + SAS,
     ParameterList(KEY, NEW_KEY, aptpl=True, all_tg_pt=True, initiator_ports=(PORT, PORT))),
]  # fmt: skip
MOVE = [
    # keys, reserved, UNREG 02h | APTPL 01h, relative target port, TransportID length, TransportID
    (KEYS + "00" "00" "00 02" "00 00 00 18" + SAS,
     RegisterAndMoveParameterList(KEY, NEW_KEY, 2, PORT)),
    (KEYS + "00" "01" "01 00" "00 00 00 18" + SAS,
     RegisterAndMoveParameterList(KEY, NEW_KEY, 256, PORT, aptpl=True)),
    (KEYS + "00" "02" "ff ff" "00 00 00 18" + SAS,
     RegisterAndMoveParameterList(KEY, NEW_KEY, 65535, PORT, unreg=True)),
]  # fmt: skip

basic_lists = st.builds(
    ParameterList,
    bits(64),
    bits(64),
    st.booleans(),
    st.booleans(),
    st.none() | st.lists(transport_ids, max_size=3).map(tuple),
)
move_lists = st.builds(
    RegisterAndMoveParameterList,
    bits(64),
    bits(64),
    bits(16),
    transport_ids,
    st.booleans(),
    st.booleans(),
)


@pytest.mark.parametrize(("data", "parameters"), BASIC + MOVE, ids=lambda value: str(value)[-8:])
def test_a_parameter_list_has_the_bytes_of_the_standard(data, parameters):
    assert parameters.encode() == bytes.fromhex(data)
    assert type(parameters).decode(bytes.fromhex(data)) == parameters


@given(basic_lists | move_lists)
def test_decoding_what_was_encoded_gives_the_parameter_list_back(parameters):
    assert type(parameters).decode(parameters.encode()) == parameters


@given(
    st.sampled_from([ParameterList, RegisterAndMoveParameterList]),
    st.binary(max_size=200) | damaged((basic_lists | move_lists).map(lambda one: one.encode())),
)
def test_garbage_raises_malformed_errors_only(kind, data):
    try:
        parameters = kind.decode(data)
    except MalformedError:
        return
    assert kind.decode(parameters.encode()) == parameters


def test_obsolete_and_reserved_fields_are_ignored():
    data = bytes.fromhex(KEYS + "ff ff ff fff2ff ff ff")

    assert ParameterList.decode(data) == ParameterList(KEY, NEW_KEY)


def test_reserved_fields_of_register_and_move_are_ignored():
    data = bytes.fromhex(KEYS + "fffc00 0200 00 00 18" + SAS)

    assert RegisterAndMoveParameterList.decode(data) == MOVE[0][1]


@pytest.mark.parametrize("size", [0, 1, 23])
@pytest.mark.parametrize("kind", [ParameterList, RegisterAndMoveParameterList])
def test_fewer_than_24_bytes_are_a_length_error(kind, size):
    with pytest.raises(ParameterListLengthError, match=f"{size} bytes"):
        kind.decode(bytes(size))


def test_more_than_24_bytes_without_spec_i_pt_are_a_length_error():
    with pytest.raises(ParameterListLengthError, match="25 bytes"):
        ParameterList.decode(bytes(25))


@pytest.mark.parametrize(
    ("kind", "data", "why"),
    [
        (ParameterList, KEYS + "00 00 00 00 08 00 00 00", "DATA LENGTH"),
        (ParameterList, KEYS + "00 00 00 00 08 00 00 00" "00 00 00 18", "24, but 0 bytes"),
        (ParameterList, KEYS + "00 00 00 00 08 00 00 00" "00 00 00 00" + SAS, "0, but 24 bytes"),
        (ParameterList, KEYS + "00 00 00 00 08 00 00 00" "00 00 00 17" + SAS[:-2], "TransportID"),
        (RegisterAndMoveParameterList, KEYS + "00 00 00 01" "00 00 00 00", "TransportID"),
        (RegisterAndMoveParameterList, KEYS + "00 00 00 01" "00 00 00 18", "DATA LENGTH"),
        (RegisterAndMoveParameterList, KEYS + "00 00 00 01" "00 00 00 30" + SAS + SAS, "24 bytes"),
    ],
)  # fmt: skip
def test_transport_ids_that_do_not_fill_their_length_are_refused_but_no_length_error(
    kind, data, why
):
    with pytest.raises(MalformedError, match=why) as caught:
        kind.decode(bytes.fromhex(data))

    assert not isinstance(caught.value, ParameterListLengthError)


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        (ParameterList(1 << 64), "RESERVATION KEY"),
        (ParameterList(0, -1), "SERVICE ACTION RESERVATION KEY"),
        (RegisterAndMoveParameterList(0, 1 << 64, 1, PORT), "SERVICE ACTION RESERVATION KEY"),
        (RegisterAndMoveParameterList(0, 0, 1 << 16, PORT), "RELATIVE TARGET PORT"),
    ],
)
def test_a_value_that_does_not_fit_its_field_is_refused_by_name(parameters, field):
    with pytest.raises(MalformedError, match=f"^{field}"):
        parameters.encode()
