"""TransportIDs: the bytes of SPC-4, 7.6.4, and the names people write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qemu_pr.scsi import transport_ids as codec
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.transport_ids import (
    FibreChannelTransportID,
    ISCSITransportID,
    OtherTransportID,
    SASTransportID,
)
from scsi_strategies import bits, damaged, transport_ids

# The protocol identifier is the low nibble of the first byte, the format code its top two bits.
ENCODED = [
    ("00 00 00 00 00 00 00 00" "21 00 00 e0 8b 12 34 56" "00 00 00 00 00 00 00 00",
     FibreChannelTransportID(0x210000E08B123456)),
    ("06 00 00 00" "60 01 40 50 00 00 00 01" "00 00 00 00 00 00 00 00 00 00 00 00",
     SASTransportID(0x6001405000000001)),
    # A short name is padded with NULs to 20 bytes,
    ("05 00 00 14" "69 71 6e 2e 61 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
     ISCSITransportID("iqn.a")),
    # a longer one, with the NUL that ends it, to a multiple of 4.
    ("05 00 00 18" + b"iqn.2024-01.org.abcdef".hex() + "00 00",
     ISCSITransportID("iqn.2024-01.org.abcdef")),
    ("45 00 00 18" + b"iqn.a,i,0x00023d000001".hex() + "00 00",
     ISCSITransportID("iqn.a", 0x00023D000001)),
    ("04" + "11" * 23, OtherTransportID(bytes.fromhex("04" + "11" * 23))),
]  # fmt: skip


@pytest.mark.parametrize(("data", "transport_id"), ENCODED, ids=lambda value: str(value)[:12])
def test_a_transport_id_has_the_bytes_of_the_standard(data, transport_id):
    assert transport_id.encode() == bytes.fromhex(data)
    assert codec.decode(bytes.fromhex(data)) == (transport_id, len(bytes.fromhex(data)))


@given(transport_ids, st.binary(max_size=30))
def test_decoding_what_was_encoded_gives_the_transport_id_and_its_size(transport_id, more):
    encoded = transport_id.encode()

    assert codec.decode(encoded + more) == (transport_id, len(encoded))
    assert len(encoded) >= 24
    assert len(encoded) % 4 == 0


@given(st.lists(transport_ids, max_size=4))
def test_a_list_is_read_until_its_data_ends(found):
    assert codec.decode_list(b"".join(one.encode() for one in found)) == tuple(found)


@given(st.binary(max_size=300) | damaged(transport_ids.map(lambda one: one.encode())))
def test_garbage_raises_malformed_errors_only(data):
    try:
        transport_id, size = codec.decode(data)
    except MalformedError:
        return
    assert 24 <= size <= len(data)
    assert codec.decode(transport_id.encode())[0] == transport_id


@given(
    damaged(
        st.lists(transport_ids, max_size=3).map(lambda all_: b"".join(one.encode() for one in all_))
    )
)
def test_a_damaged_list_raises_malformed_errors_only(data):
    try:
        found = codec.decode_list(data)
    except MalformedError:
        return
    assert len(found) <= len(data) // 24


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("", "got 0"),
        ("06" + "00" * 22, "got 23"),
        ("46" + "00" * 23, "FORMAT CODE"),
        ("40" + "00" * 23, "FORMAT CODE"),
        ("85" + "00" * 23, "FORMAT CODE"),
        ("05 00 00 10" + "61" * 15 + "00" * 5, "ADDITIONAL LENGTH"),
        ("05 00 00 15" + "61" * 20 + "00", "ADDITIONAL LENGTH"),
        ("05 00 00 18" + "61" * 19 + "00", "ADDITIONAL LENGTH"),
        ("05 00 00 14" + "61" * 20, "no terminating NUL"),
        ("05 00 00 14" + "00" * 20, "is not a name"),
        ("05 00 00 14" + "ff" + "00" * 19, "UTF-8"),
        ("45 00 00 14" + "61" * 19 + "00", "session ID"),
        ("45 00 00 14" + b"iqn.a,i,0x".hex() + "00" * 10, "session ID"),
        ("45 00 00 14" + b"iqn.a,i,0xfg".hex() + "00" * 8, "session ID"),
        ("45 00 00 18" + b"a,i,0x0123456789abc".hex() + "00" * 5, "session ID"),
        ("05 00 00 14" + b"iqn.a,i,0x1".hex() + "00" * 9, "is not a name"),
        ("05 00 00 e4" + "61" * 224 + "00" * 4, "at most 223"),
    ],
)  # fmt: skip
def test_a_malformed_transport_id_is_refused_with_the_reason(data, why):
    with pytest.raises(MalformedError, match=why):
        codec.decode(bytes.fromhex(data))


@pytest.mark.parametrize(
    "transport_id",
    [
        SASTransportID(1 << 64),
        FibreChannelTransportID(-1),
        ISCSITransportID(""),
        ISCSITransportID("a\0b"),
        ISCSITransportID("iqn.a,i,0x1"),
        ISCSITransportID("\ud800"),
        ISCSITransportID("a" * 224),
        ISCSITransportID("ä" * 112),
        ISCSITransportID("iqn.a", 1 << 48),
        OtherTransportID(bytes((4, *bytes(22)))),
        OtherTransportID(bytes((6, *bytes(23)))),
    ],
)
def test_what_no_initiator_port_is_called_cannot_be_encoded(transport_id):
    with pytest.raises(MalformedError):
        transport_id.encode()


@pytest.mark.parametrize(
    ("text", "transport_id"),
    [
        ("naa.6001405000000001", SASTransportID(0x6001405000000001)),
        ("naa.60014050ABCDEF01", SASTransportID(0x60014050ABCDEF01)),
        ("iqn.2024-01.org.example:host", ISCSITransportID("iqn.2024-01.org.example:host")),
        ("eui.0123456789ABCDEF", ISCSITransportID("eui.0123456789ABCDEF")),
        ("iqn.a,i,0x23d000001", ISCSITransportID("iqn.a", 0x00023D000001)),
    ],
)
def test_a_name_as_people_write_it_is_read(text, transport_id):
    assert codec.parse(text) == transport_id


@given(
    st.builds(SASTransportID, bits(64))
    | st.builds(
        lambda name, isid: ISCSITransportID(f"iqn.{name}", isid),
        st.text("abcdefghijklmnopqrstuvwxyz0123456789.:-", min_size=1, max_size=200),
        st.none() | bits(48),
    )
)
def test_reading_a_name_as_it_is_written_gives_the_port_back(transport_id):
    assert codec.parse(str(transport_id)) == transport_id


@given(st.text(max_size=40) | st.text("iqneuia.,0xnaf1 ", max_size=30))
def test_any_text_is_a_name_or_malformed(text):
    try:
        transport_id = codec.parse(text)
    except MalformedError:
        return
    assert codec.decode(transport_id.encode())[0] == transport_id


@pytest.mark.parametrize(
    "text",
    ["", "naa.600140500000000", "naa.60014050000000011", "naa.600140500000000g", "host1", "iqn.",
     "iqn.a b", "iqn.a,i,0x", "iqn.a,i,0x1234567890abc", " iqn.a", "naa.6001405000000001\n"],
)  # fmt: skip
def test_what_is_no_name_is_refused(text):
    with pytest.raises(MalformedError, match="initiator name"):
        codec.parse(text)
