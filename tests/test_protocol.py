"""The wire protocol, without sockets: any chunking, both sides, every way to break it."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qemu_pr.protocol import (
    HANDSHAKE,
    ProtocolError,
    ReplyReader,
    Request,
    RequestReader,
    encode_reply,
)
from qemu_pr.scsi.status import Completion, Status


def cdb(opcode: int, size: int, service_action: int = 0) -> bytes:
    return bytes((opcode, service_action, 0, 0, 0, 0, 0)) + size.to_bytes(2, "big") + bytes(7)


READ_KEYS = Request(cdb(0x5E, 8192))
REGISTER = Request(cdb(0x5F, 24), bytes(range(24)))

requests = st.one_of(
    st.builds(lambda size, action: Request(cdb(0x5E, size, action)),
              st.integers(0, 8192), st.integers(0, 31)),
    st.builds(lambda data: Request(cdb(0x5F, len(data)), data), st.binary(max_size=200)),
)  # fmt: skip


def wire(sequence: list[Request]) -> list[tuple[bytes, int]]:
    """What a client sends: every byte, and how many descriptors travel with it."""
    stream = [(HANDSHAKE[i : i + 1], 0) for i in range(len(HANDSHAKE))]
    for request in sequence:
        encoded = request.encode()
        stream += [(encoded[i : i + 1], int(i == 0)) for i in range(len(encoded))]
    return stream


def feed_all(reader: RequestReader, data: bytes, descriptors: int = 0) -> list[Request]:
    """Feed bytes as a socket would hand them out; descriptors come with the first of them."""
    found = []
    while data:
        chunk, data = data[: reader.wanted], data[reader.wanted :]
        request = reader.feed(chunk, descriptors)
        descriptors = 0
        if request:
            found.append(request)
    return found


def greeted() -> RequestReader:
    reader = RequestReader()
    reader.feed(HANDSHAKE)
    return reader


@given(st.lists(requests, max_size=4), st.data())
def test_any_chunking_of_a_valid_stream_gives_the_same_requests(sequence, data):
    reader = RequestReader()
    stream = wire(sequence)
    found = []

    while stream:
        size = data.draw(st.integers(1, reader.wanted))
        chunk, stream = stream[:size], stream[size:]
        request = reader.feed(b"".join(b for b, _ in chunk), sum(n for _, n in chunk))
        if request:
            found.append(request)

    assert found == sequence


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=40), st.integers(0, 3))))
def test_garbage_raises_protocol_errors_only(chunks):
    reader = greeted()

    with suppress(ProtocolError):
        for data, descriptors in chunks:
            for request in feed_all(reader, data, descriptors):
                assert request.encode()[:16] == request.cdb


@given(st.binary(min_size=1), requests)
def test_garbage_from_the_helper_raises_protocol_errors_only(data, request):
    reader = ReplyReader(request)

    with suppress(ProtocolError):
        while data:
            chunk, data = data[: reader.wanted], data[reader.wanted :]
            if completion := reader.feed(chunk):
                assert len(completion.data) <= request.data_size
                break


@given(
    requests, st.sampled_from(Status), st.binary(max_size=96), st.binary(max_size=9000), st.data()
)
def test_any_chunking_of_a_reply_gives_the_completion_cut_to_what_the_client_takes(
    request, status, sense, returned, data
):
    reader = ReplyReader(request)
    stream = encode_reply(request.cdb, Completion(status, sense, returned))
    completion = None

    while stream:
        size = data.draw(st.integers(1, reader.wanted))
        completion = reader.feed(stream[:size])
        stream = stream[size:]

    takes = request.data_size if request.cdb[0] == 0x5E and status == Status.GOOD else 0
    assert completion == Completion(
        status,
        sense.ljust(96, b"\0") if status == Status.CHECK_CONDITION else b"",
        returned[:takes],
    )


def test_a_reply_has_status_and_size_big_endian_and_96_bytes_of_sense():
    reply = encode_reply(READ_KEYS.cdb, Completion(Status.GOOD, b"", b"keys"))

    assert reply == b"\0\0\0\0" + b"\0\0\0\4" + bytes(96) + b"keys"


def test_persistent_reserve_out_never_returns_data():
    assert len(encode_reply(REGISTER.cdb, Completion(Status.GOOD, b"", b"stray"))) == 104


def test_data_of_a_failed_command_is_not_sent():
    failed = Completion(Status.CHECK_CONDITION, b"", b"stray")

    assert len(encode_reply(READ_KEYS.cdb, failed)) == 104


def test_sense_longer_than_96_bytes_is_cut():
    reply = encode_reply(READ_KEYS.cdb, Completion(Status.CHECK_CONDITION, bytes(range(120))))

    assert reply[8:] == bytes(range(96))


@pytest.mark.parametrize("bit", range(32))
def test_any_bit_in_the_handshake_is_refused(bit):
    with pytest.raises(ProtocolError, match="features"):
        RequestReader().feed((1 << bit).to_bytes(4, "big"))


def test_the_descriptor_may_come_with_the_second_piece_of_a_cdb():
    reader = greeted()

    assert reader.feed(READ_KEYS.cdb[:9]) is None
    assert reader.feed(READ_KEYS.cdb[9:], descriptors=1) == READ_KEYS


def test_a_descriptor_with_both_pieces_is_refused():
    reader = greeted()
    reader.feed(READ_KEYS.cdb[:9], descriptors=1)

    with pytest.raises(ProtocolError, match="more than one"):
        reader.feed(READ_KEYS.cdb[9:], descriptors=1)


def test_two_descriptors_at_once_are_refused():
    with pytest.raises(ProtocolError, match="more than one"):
        greeted().feed(READ_KEYS.cdb, descriptors=2)


def test_a_command_without_descriptor_is_refused():
    with pytest.raises(ProtocolError, match="no file descriptor"):
        greeted().feed(READ_KEYS.cdb)


def test_the_descriptor_of_one_command_does_not_serve_the_next():
    reader = greeted()
    reader.feed(READ_KEYS.cdb, descriptors=1)

    with pytest.raises(ProtocolError, match="no file descriptor"):
        reader.feed(READ_KEYS.cdb)


def test_descriptors_with_the_handshake_and_with_a_parameter_list_do_not_count():
    reader = RequestReader()

    assert not reader.takes_descriptor
    reader.feed(HANDSHAKE, descriptors=3)
    assert reader.takes_descriptor
    reader.feed(REGISTER.cdb, descriptors=1)
    assert not reader.takes_descriptor
    assert reader.feed(REGISTER.data_out, descriptors=2) == REGISTER
    assert reader.takes_descriptor


@pytest.mark.parametrize("opcode", [0x00, 0x12, 0x5D, 0x60, 0xFF])
def test_other_operation_codes_are_refused(opcode):
    with pytest.raises(ProtocolError, match="operation code"):
        greeted().feed(cdb(opcode, 0), descriptors=1)


@pytest.mark.parametrize("opcode", [0x5E, 0x5F])
def test_more_than_8192_bytes_are_refused(opcode):
    with pytest.raises(ProtocolError, match="8193 bytes"):
        greeted().feed(cdb(opcode, 8193), descriptors=1)


@pytest.mark.parametrize("size", [1, 23, 24, 8192])
def test_the_parameter_list_is_as_long_as_the_cdb_says(size):
    reader = greeted()

    assert reader.feed(cdb(0x5F, size), descriptors=1) is None
    assert reader.wanted == size
    assert reader.feed(bytes(size)) == Request(cdb(0x5F, size), bytes(size))


def test_an_empty_parameter_list_completes_the_request_with_its_cdb():
    assert greeted().feed(cdb(0x5F, 0), descriptors=1) == Request(cdb(0x5F, 0))


def test_feeding_more_than_wanted_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="only 4 were wanted"):
        RequestReader().feed(bytes(5))


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (Request(cdb(0x5F, 24), bytes(23)), "announces 24 bytes"),
        (Request(cdb(0x5E, 24), bytes(24)), "announces 0 bytes"),
        (Request(cdb(0x5E, 24)[:10]), "16 bytes"),
        (Request(cdb(0x28, 0)), "operation code"),
        (Request(cdb(0x5E, 8193)), "8193 bytes"),
    ],
)
def test_a_client_cannot_encode_what_the_helper_would_refuse(request_, why):
    with pytest.raises(ProtocolError, match=why):
        request_.encode()


@pytest.mark.parametrize(
    ("request_", "status", "size", "why"),
    [
        (READ_KEYS, 0, 8193, "at most 8192"),
        (READ_KEYS, 0, -1, "-1 bytes"),
        (READ_KEYS, 2, 1, "at most 0"),
        (REGISTER, 0, 1, "at most 0"),
        (REGISTER, -1, 0, "status -1"),
        (REGISTER, 256, 0, "status 256"),
    ],
)
def test_a_client_refuses_a_reply_that_no_helper_may_send(request_, status, size, why):
    head = status.to_bytes(4, "big", signed=True) + size.to_bytes(4, "big", signed=True) + bytes(96)

    with pytest.raises(ProtocolError, match=why):
        ReplyReader(request_).feed(head)
