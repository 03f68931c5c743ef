"""PERSISTENT RESERVE IN parameter data: the bytes of SPC-4, 6.15.2 to 6.15.5."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qemu_pr.scsi.commands import ReservationType
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.parameter_data import (
    FullStatus,
    ReadFullStatus,
    ReadKeys,
    ReadReservation,
    ReportCapabilities,
    Reservation,
)
from qemu_pr.scsi.transport_ids import SASTransportID
from scsi_strategies import bits, damaged, transport_ids

KEY = 0x0123456789ABCDEF
PORT = SASTransportID(0x6001405000000001)
SAS = "06 00 00 0060 01 40 50 00 00 00 01" + "00" * 12
DESCRIPTOR = (
    "01 23 45 67 89 ab cd ef"  # RESERVATION KEY
    "00 00 00 00" "03"         # reserved; ALL_TG_PT 02h | R_HOLDER 01h
    "08" "00 00 00 00"         # SCOPE and TYPE; reserved
    "00 02" "00 00 00 18"      # RELATIVE TARGET PORT IDENTIFIER; ADDITIONAL DESCRIPTOR LENGTH
) + SAS  # fmt: skip
FULL_STATUS = FullStatus(KEY, PORT, 2, all_tg_pt=True, holder=True, type=8)

ENCODED = [
    ("00 00 00 05" "00 00 00 00", ReadKeys(5)),
    ("ff ff ff ff" "00 00 00 10" "01 23 45 67 89 ab cd ef" "00 00 00 00 00 00 00 11",
     ReadKeys(0xFFFFFFFF, (KEY, 0x11))),
    ("00 00 00 05" "00 00 00 00", ReadReservation(5)),
    ("00 00 00 05" "00 00 00 10" "01 23 45 67 89 ab cd ef" "00 00 00 00" "00" "06" "00 00",
     ReadReservation(5, Reservation(KEY, 6))),
    ("00 00 00 05" "00 00 00 10" "00 00 00 00 00 00 00 00" "00 00 00 00" "00" "28" "00 00",
     ReadReservation(5, Reservation(0, 8, scope=2))),
    ("00 08" "00" "00" "00 00" "00 00", ReportCapabilities(None)),
    # RLR_C 80h | CRH 10h | SIP_C 08h | ATP_C 04h | PTPL_C 01h; TMV 80h | ALLOW COMMANDS | PTPL_A
    ("00 08" "9d" "d1" "ea 01" "00 00",
     ReportCapabilities(frozenset(ReservationType), True, True, True, True, True, True, 5)),
    ("00 08" "10" "80" "00 00" "00 00", ReportCapabilities(frozenset(), crh=True)),
    ("00 08" "08" "80" "02 00" "00 00",
     ReportCapabilities(frozenset({ReservationType.WRITE_EXCLUSIVE}), sip_c=True)),
    ("00 08" "04" "80" "08 00" "00 00",
     ReportCapabilities(frozenset({ReservationType.EXCLUSIVE_ACCESS}), atp_c=True)),
    ("00 08" "01" "80" "20 00" "00 00",
     ReportCapabilities(frozenset({ReservationType.WRITE_EXCLUSIVE_REGISTRANTS_ONLY}),
                        ptpl_c=True)),
    ("00 08" "00" "81" "40 00" "00 00",
     ReportCapabilities(frozenset({ReservationType.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY}),
                        ptpl_a=True)),
    ("00 08" "80" "80" "80 00" "00 00",
     ReportCapabilities(frozenset({ReservationType.WRITE_EXCLUSIVE_ALL_REGISTRANTS}), rlr_c=True)),
    ("00 08" "00" "f0" "00 01" "00 00",
     ReportCapabilities(frozenset({ReservationType.EXCLUSIVE_ACCESS_ALL_REGISTRANTS}),
                        allow_commands=7)),
    ("00 00 00 05" "00 00 00 00", ReadFullStatus(5)),
    ("00 00 00 05" "00 00 00 30" + DESCRIPTOR, ReadFullStatus(5, (FULL_STATUS,))),
]  # fmt: skip

reservations = st.builds(Reservation, bits(64), bits(4), bits(4))
full_statuses = st.builds(
    FullStatus,
    bits(64),
    transport_ids,
    bits(16),
    st.booleans(),
    st.booleans(),
    bits(4),
    bits(4),
)
parameter_data = st.one_of(
    st.builds(ReadKeys, bits(32), st.lists(bits(64), max_size=5).map(tuple)),
    st.builds(ReadReservation, bits(32), st.none() | reservations),
    st.builds(
        ReportCapabilities,
        st.none() | st.frozensets(st.sampled_from(ReservationType)),
        *[st.booleans()] * 6,
        bits(3),
    ),
    st.builds(ReadFullStatus, bits(32), st.lists(full_statuses, max_size=3).map(tuple)),
)
kinds = st.sampled_from([ReadKeys, ReadReservation, ReportCapabilities, ReadFullStatus])


@pytest.mark.parametrize(("data", "value"), ENCODED, ids=lambda value: type(value).__name__)
def test_parameter_data_has_the_bytes_of_the_standard(data, value):
    assert value.encode() == bytes.fromhex(data)
    assert type(value).decode(bytes.fromhex(data)) == value


@given(parameter_data)
def test_decoding_what_was_encoded_gives_the_parameter_data_back(value):
    assert type(value).decode(value.encode()) == value


@given(kinds, st.binary(max_size=300) | damaged(parameter_data.map(lambda one: one.encode())))
def test_garbage_raises_malformed_errors_only(kind, data):
    try:
        value = kind.decode(data)
    except MalformedError:
        return
    whole = value if kind is ReportCapabilities else value.but(complete=True)
    assert kind.decode(whole.encode()) == whole


@given(bits(32), st.lists(bits(64), max_size=4), st.data())
def test_keys_cut_at_the_allocation_length_keep_each_that_is_whole(generation, keys, data):
    encoded = ReadKeys(generation, tuple(keys)).encode()
    size = data.draw(st.integers(8, len(encoded)))

    value = ReadKeys.decode(encoded[:size])

    assert value == ReadKeys(generation, tuple(keys[: (size - 8) // 8]), size == len(encoded))


@given(bits(32), st.lists(full_statuses, max_size=3), st.data())
def test_descriptors_cut_at_the_allocation_length_keep_each_that_is_whole(
    generation, descriptors, data
):
    encoded = ReadFullStatus(generation, tuple(descriptors)).encode()
    size = data.draw(st.integers(8, len(encoded)))
    ends = [
        len(ReadFullStatus(generation, tuple(descriptors[:count])).encode())
        for count in range(1, len(descriptors) + 1)
    ]

    value = ReadFullStatus.decode(encoded[:size])

    whole = sum(end <= size for end in ends)
    assert value == ReadFullStatus(generation, tuple(descriptors[:whole]), size == len(encoded))


@pytest.mark.parametrize("size", range(8, 24))
def test_a_reservation_cut_at_the_allocation_length_did_not_arrive(size):
    encoded = ReadReservation(5, Reservation(KEY, 6)).encode()

    assert ReadReservation.decode(encoded[:size]) == ReadReservation(5, None, complete=False)


def test_bytes_behind_the_announced_length_are_ignored():
    assert ReadKeys.decode(ReadKeys(5, (KEY,)).encode() + bytes(8184)) == ReadKeys(5, (KEY,))


def test_a_descriptor_longer_than_its_transport_id_is_read():
    data = bytearray.fromhex("00 00 00 0500 00 00 34" + DESCRIPTOR + "00 00 00 00")
    data[31] = 0x1C

    assert ReadFullStatus.decode(bytes(data)) == ReadFullStatus(5, (FULL_STATUS,))


@pytest.mark.parametrize(
    ("kind", "data", "why"),
    [
        (ReadKeys, "", "PRGENERATION"),
        (ReadKeys, "00 00 00 05 00 00 00", "ADDITIONAL LENGTH"),
        (ReadKeys, "00 00 00 05 00 00 00 09", "multiple of 8"),
        (ReadReservation, "00 00 00", "PRGENERATION"),
        (ReadReservation, "00 00 00 05 00 00 00 08", "neither 0 nor 16"),
        (ReportCapabilities, "00", "LENGTH"),
        (ReportCapabilities, "00 08 00 00 00", "TYPE MASK"),
        (ReportCapabilities, "00 06 00 00 00 00 00 00", "LENGTH"),
        (ReadFullStatus, "00 00 00 05", "ADDITIONAL LENGTH"),
        (ReadFullStatus, "00 00 00 05 00 00 00 2f" + DESCRIPTOR, "DESCRIPTOR LENGTH"),
        (ReadFullStatus, "00 00 00 05 00 00 00 18" + "00" * 24, "TransportID"),
    ],
)
def test_malformed_parameter_data_is_refused_with_the_reason(kind, data, why):
    with pytest.raises(MalformedError, match=why):
        kind.decode(bytes.fromhex(data))


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (ReadKeys(1 << 32), "PRGENERATION"),
        (ReadKeys(0, (1 << 64,)), "RESERVATION KEY"),
        (ReadReservation(-1), "PRGENERATION"),
        (ReadReservation(0, Reservation(-1, 1)), "RESERVATION KEY"),
        (ReadReservation(0, Reservation(1, 16)), "TYPE"),
        (ReadReservation(0, Reservation(1, 1, 16)), "SCOPE"),
        (ReportCapabilities(None, allow_commands=8), "ALLOW COMMANDS"),
        (FullStatus(1 << 64, PORT), "RESERVATION KEY"),
        (FullStatus(1, PORT, 1 << 16), "RELATIVE TARGET PORT IDENTIFIER"),
        (FullStatus(1, PORT, type=16), "TYPE"),
    ],
)
def test_a_value_that_does_not_fit_its_field_is_refused_by_name(value, field):
    with pytest.raises(MalformedError, match=f"^{field}"):
        value.encode()
