"""What a helper answers to a client: [how it is cut, 1] [operation, 1] [length, 2] [the reply].

A completion fits its request, and encoded again it is the reply that was read.
"""

from qemu_pr.protocol import (
    MAX_DATA_SIZE,
    SENSE_SIZE,
    ProtocolError,
    ReplyReader,
    Request,
    encode_reply,
)
from qemu_pr.scsi.status import Completion, Status

SIZE_MAX = 200
WORDS = [
    bytes(3) + b"\x02",
    bytes(3) + b"\x18",
    bytes(3) + b"\x08",
    b"\x5e",
    b"\x5f",
    bytes(8),
    bytes(SENSE_SIZE),
    b"\x70\x00\x05" + bytes(4) + b"\x0a",
]


def check(data: bytes) -> None:
    if len(data) < 4:
        return
    cut, operation, size, reply = data[0], data[1], data[2:4], data[4:]
    cdb = bytes((0x5E + operation % 2, 0, 0, 0, 0, 0, 0)) + size + bytes(7)
    request = Request(cdb)
    completion, rest = _read(request, reply, MAX_DATA_SIZE)
    assert (completion, rest) == _read(request, reply, 8 + cut % 100)
    if completion is None:
        return
    returns_data = operation % 2 == 0 and completion.status == Status.GOOD
    assert len(completion.data) <= (request.data_size if returns_data else 0)
    assert len(completion.sense) == (SENSE_SIZE if completion.status == 2 else 0)
    assert 0 <= completion.status <= 0xFF
    again, _ = _read(request, encode_reply(request.cdb, completion), MAX_DATA_SIZE)
    assert again == completion


def _read(request: Request, reply: bytes, most: int) -> tuple[Completion | None, bytes]:
    """Give the completion, None if there is none, and what is left of the bytes."""
    reader = ReplyReader(request)
    while reply:
        assert reader.wanted >= 1
        size = min(reader.wanted, most)
        piece, reply = reply[:size], reply[size:]
        try:
            completion = reader.feed(piece)
        except ProtocolError:
            return None, b""
        if completion is not None:
            return completion, reply
    return None, b""
