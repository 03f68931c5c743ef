"""What a client sends to the helper, with any number of descriptors: pairs of [size, descriptors].

The first half of an input says how to send the second. Of a request that gets through, one
descriptor is held; with the handshake or a parameter list none is, and no request has two.
"""

from qemu_pr.protocol import ProtocolError, RequestReader

SIZE_MAX = 160
WORDS = [b"\x5e", b"\x5f", b"\x10\x01", b"\x18\x00", bytes(4), bytes(7) + b"\x18" + bytes(7)]


def check(data: bytes) -> None:
    middle = len(data) // 2 & ~1
    ways, stream = data[:middle], data[middle:]
    reader = RequestReader()
    held = 0
    for size, count in zip(ways[::2], ways[1::2], strict=True):
        piece = stream[: min(1 + size, reader.wanted)]
        if not piece:
            return
        stream = stream[len(piece) :]
        count %= 4
        if reader.takes_descriptor:
            held += count
        try:
            request = reader.feed(piece, count)
        except ProtocolError:
            return
        assert held <= 1
        if request:
            assert held == 1
            held = 0
