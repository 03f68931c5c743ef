"""What PERSISTENT RESERVE IN returns: [service action, 1] [how many bytes arrive, 1] [the data].

What is decoded is encoded and decoded to the same; of what was cut at the allocation length, no
element is misread.
"""

from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.parameter_data import (
    ReadFullStatus,
    ReadKeys,
    ReadReservation,
    ReportCapabilities,
)

SIZE_MAX = 250
WORDS = [
    b"\x00\x00\x00\x08",
    b"\x00\x00\x00\x10",
    b"\x00\x00\x00\x30",
    b"\x00\x00\x00\x18\x06\x00\x00\x00",
    b"\x05\x00\x00\x14iqn.a",
]

_KINDS = (ReadKeys, ReadReservation, ReportCapabilities, ReadFullStatus)
_ELEMENTS = {ReadKeys: "keys", ReadFullStatus: "descriptors"}


def check(data: bytes) -> None:
    if len(data) < 2:
        return
    kind, size, whole = _KINDS[data[0] % len(_KINDS)], data[1], data[2:]
    try:
        found = kind.decode(whole)
    except MalformedError:
        return
    encoded = found.encode()
    again = kind.decode(encoded)
    elements = _ELEMENTS.get(kind)
    if elements:
        assert getattr(again, elements) == getattr(found, elements)
    elif getattr(found, "complete", True):
        assert again == found
    if 8 <= size < len(whole):
        _check_cut(kind, elements, found, whole[:size])


def _check_cut(kind: type, elements: str | None, found: object, data: bytes) -> None:
    cut = kind.decode(data)  # whatever is cut off, the rest does not become malformed
    if elements:
        all_ = getattr(found, elements)
        some = getattr(cut, elements)
        assert all_[: len(some)] == some
        assert some == all_ or not cut.complete
