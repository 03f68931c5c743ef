"""What a client sends to the helper: [how it is cut into pieces, 4 bytes] [the stream].

A request that came in pieces is the one that came at once; what was read is what was sent.
"""

from qemu_pr.protocol import CDB_SIZE, HANDSHAKE, MAX_DATA_SIZE, ProtocolError, RequestReader

SIZE_MAX = 160
WORDS = [b"\x5e", b"\x5f", b"\x20\x00", b"\x20\x01", bytes(4), bytes(7) + b"\x18" + bytes(7)]


def check(data: bytes) -> None:
    cuts, stream = data[:4], data[4:]
    at_once = _read(stream, b"")
    in_pieces = _read(stream, cuts)
    assert at_once == in_pieces, f"{at_once} at once, {in_pieces} in pieces"
    requests, _ = at_once
    if requests:
        assert stream.startswith(HANDSHAKE + b"".join(requests)), "not what was sent"


def _read(stream: bytes, cuts: bytes) -> tuple[list[bytes], bool]:
    """Give the requests, encoded again, and whether the protocol was broken behind them."""
    reader = RequestReader()
    found: list[bytes] = []
    begins = True  # a descriptor comes with the first byte of a request, and of the handshake
    number = 0
    while stream:
        assert 1 <= reader.wanted <= MAX_DATA_SIZE
        assert not reader.is_idle or (reader.takes_descriptor and reader.wanted == CDB_SIZE)
        size = reader.wanted
        if cuts:
            size = 1 + cuts[number % len(cuts)] % size
            number += 1
        piece, stream = stream[:size], stream[size:]
        try:
            request = reader.feed(piece, int(begins))
        except ProtocolError:
            return found, True
        begins = reader.is_idle
        if request:
            assert begins, "a request is complete, and the next byte does not begin one"
            assert request.data_size <= MAX_DATA_SIZE
            found.append(request.encode())
    return found, False
