"""Hypothesis strategies for what the codecs encode."""

from hypothesis import strategies as st

from qemu_pr.scsi.transport_ids import (
    FibreChannelTransportID,
    ISCSITransportID,
    OtherTransportID,
    SASTransportID,
)


def bits(count: int) -> st.SearchStrategy[int]:
    return st.integers(0, (1 << count) - 1)


def _is_iscsi_name(text: str) -> bool:
    return ",i,0x" not in text and 0 < len(text.encode()) <= 223


iscsi_names = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=223
).filter(_is_iscsi_name)

# The low nibble of the first byte is the protocol: 0, 5 and 6 have classes of their own.
other_transport_ids = st.builds(
    lambda high, protocol, rest: OtherTransportID(bytes((high << 4 | protocol,)) + rest),
    bits(4),
    st.sampled_from([1, 2, 3, 4, *range(7, 16)]),
    st.binary(min_size=23, max_size=23),
)

transport_ids = st.one_of(
    st.builds(SASTransportID, bits(64)),
    st.builds(FibreChannelTransportID, bits(64)),
    st.builds(ISCSITransportID, iscsi_names, st.none() | bits(48)),
    other_transport_ids,
)


@st.composite
def damaged(draw: st.DrawFn, encoded: st.SearchStrategy[bytes]) -> bytes:
    """Valid bytes with a few of them overwritten, then cut or made longer."""
    data = bytearray(draw(encoded))
    for _ in range(draw(st.integers(0, 3))):
        if data:
            data[draw(st.integers(0, len(data) - 1))] = draw(bits(8))
    return bytes(data[: draw(st.integers(0, len(data)))]) + draw(st.binary(max_size=4))
