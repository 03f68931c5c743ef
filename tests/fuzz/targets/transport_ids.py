"""TransportIDs, alone and in lists, and the names of initiators: each is read as it is written."""

from qemu_pr.scsi import transport_ids
from qemu_pr.scsi.errors import MalformedError

SIZE_MAX = 300
WORDS = [
    b"\x05\x00\x00\x14",
    b"\x45\x00\x00\x18",
    b"\x06\x00\x00\x00",
    b",i,0x",
    b"iqn.",
    b"eui.",
    b"naa.",
    b"0123456789abcdef",
]


def check(data: bytes) -> None:
    _check_list(data)
    _check_name(data.decode(errors="surrogateescape"))


def _check_list(data: bytes) -> None:
    try:
        found = transport_ids.decode_list(data)
    except MalformedError:
        return
    encoded = [one.encode() for one in found]
    assert all(len(one) >= 24 and len(one) % 4 == 0 for one in encoded)
    assert transport_ids.decode_list(b"".join(encoded)) == found


def _check_name(text: str) -> None:
    try:
        port = transport_ids.parse(text)
    except MalformedError:
        return
    assert transport_ids.parse(str(port)) == port
    assert transport_ids.decode(port.encode()) == (port, len(port.encode()))
