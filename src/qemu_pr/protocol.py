"""The wire protocol between QEMU and its persistent reservation helper: bytes in, values out.

A connection begins with a handshake: the helper sends the features it offers, 4 bytes, and the
client answers with those it wants. None exist, so both send zeros.

Then the client sends one request at a time, and the helper answers each with one reply::

    request  16 bytes   CDB: PERSISTENT RESERVE IN or OUT, then zeros
             with them  one file descriptor of the disk (SCM_RIGHTS)
             0..8192    parameter list, as many bytes as CDB bytes 7..8 say (OUT only)

    reply    4 bytes    status, big-endian, signed
             4 bytes    size, big-endian, signed
             96 bytes   sense data, zero padded, sent with every status
             size       data (IN with GOOD only), at most what CDB bytes 7..8 say

A reader never asks for bytes beyond the part it is in. So a descriptor always belongs to the part
that its message was read for, and nothing has to be buffered or put back.

Source: docs/interop/pr-helper.rst of QEMU, and what Debian's qemu-pr-helper 7.2 does.
"""

import struct
from collections.abc import Callable

from qemu_pr.scsi.opcodes import PERSISTENT_RESERVE_IN, PERSISTENT_RESERVE_OUT
from qemu_pr.scsi.status import Completion, Status
from qemu_pr.value import Value

HANDSHAKE = bytes(4)
CDB_SIZE = 16
SENSE_SIZE = 96
MAX_DATA_SIZE = 8192

_OPERATION_CODES = (PERSISTENT_RESERVE_IN, PERSISTENT_RESERVE_OUT)
_REPLY_HEAD = struct.Struct(f">ii{SENSE_SIZE}s")


class ProtocolError(Exception):
    """The peer broke the protocol; close the connection without a further word.

    The text says what it did.
    """


class Request(Value):
    """One command, without the descriptor that travels with its CDB.

    Attributes:
        cdb: 16 bytes; a shorter CDB is to be padded with zeros.
        data_out: The parameter list of PERSISTENT RESERVE OUT, else empty.
    """

    __slots__ = ("cdb", "data_out")

    def __init__(self, cdb: bytes, data_out: bytes = b"") -> None:
        self.cdb = cdb
        self.data_out = data_out

    @property
    def data_size(self) -> int:
        """Bytes 7..8 of the CDB: parameter list length of OUT, allocation length of IN."""
        return _data_size(self.cdb)

    def encode(self) -> bytes:
        """Encode for the helper; send the descriptor with the first byte.

        Raises:
            ProtocolError: The helper would close the connection, or wait for more bytes.
        """
        if len(self.cdb) != CDB_SIZE:
            raise ProtocolError(f"a CDB has {CDB_SIZE} bytes here, not {len(self.cdb)}")
        expected = _data_out_size(self.cdb)
        if len(self.data_out) != expected:
            raise ProtocolError(
                f"the CDB announces {expected} bytes of parameter list, not {len(self.data_out)}"
            )
        return self.cdb + self.data_out


def encode_reply(cdb: bytes, completion: Completion) -> bytes:
    """Encode what a request came to, for the client.

    Args:
        cdb: The request's; data is cut to its allocation length, and OUT never returns any.
        completion: What the device answered; of its sense data the first 96 bytes are sent.
    """
    data = b""
    if completion.status == Status.GOOD and cdb[0] == PERSISTENT_RESERVE_IN:
        data = completion.data[: _data_size(cdb)]
    return _REPLY_HEAD.pack(completion.status, len(data), completion.sense) + data


class _PartReader:
    """Collects one part of a message after the other; each has a size known beforehand.

    Attributes:
        wanted: How many bytes to read from the socket next, at most; never 0.
    """

    __slots__ = ("_part", "wanted")

    def __init__(self, size: int) -> None:
        self._part = b""
        self.wanted = size

    def _collect(self, data: bytes) -> bytes | None:
        """Add bytes to the part; give all of it if it is complete."""
        if len(data) > self.wanted:
            raise ValueError(f"fed {len(data)} bytes, but only {self.wanted} were wanted")
        self.wanted -= len(data)
        self._part += data
        if self.wanted:
            return None
        part, self._part = self._part, b""
        return part


class RequestReader(_PartReader):
    """The helper's side: turns what a client sends into requests.

    Read at most `wanted` bytes from the socket, feed them, carry out the request that comes back.
    What a client sends next is in one of three states, and this is all there is to them::

        handshake        4 bytes                         -> CDB
        CDB              16 bytes and one descriptor     -> CDB, with a request
                         the same, of an OUT with more   -> parameter list
        parameter list   as many bytes as the CDB says   -> CDB, with a request

    Attributes:
        takes_descriptor: Whether a descriptor that comes with the wanted bytes belongs to a
            request. One that comes with the handshake or with a parameter list is to be closed:
            QEMU's helper ignores it, too.
        is_idle: Whether the next byte begins a request.
    """

    __slots__ = ("_cdb", "_complete", "_descriptors", "is_idle", "takes_descriptor")

    def __init__(self) -> None:
        super().__init__(len(HANDSHAKE))
        self.takes_descriptor = False
        self.is_idle = False
        self._complete: Callable[[RequestReader, bytes], Request | None] = RequestReader._handshake
        self._descriptors = 0
        self._cdb = b""

    def feed(self, data: bytes, descriptors: int = 0) -> Request | None:
        """Take bytes from the socket.

        Args:
            data: What was read, 1 to `wanted` bytes.
            descriptors: How many file descriptors came with it.

        Returns:
            The request that these bytes completed, or None.

        Raises:
            ProtocolError: The client broke the protocol.
        """
        self.is_idle = False
        if self.takes_descriptor:
            self._descriptors += descriptors
            if self._descriptors > 1:
                raise ProtocolError("more than one file descriptor with a command")
        part = self._collect(data)
        return None if part is None else self._complete(self, part)

    def _handshake(self, part: bytes) -> None:
        if part != HANDSHAKE:
            raise ProtocolError(f"the client asks for features that do not exist: {part.hex()}")
        self._expect_cdb()

    def _expect_cdb(self) -> None:
        self.wanted = CDB_SIZE
        self.takes_descriptor = True
        self.is_idle = True
        self._complete = RequestReader._command
        self._descriptors = 0

    def _command(self, cdb: bytes) -> Request | None:
        if not self._descriptors:
            raise ProtocolError("no file descriptor with the command")
        size = _data_out_size(cdb)
        if not size:
            self._expect_cdb()
            return Request(cdb)
        self._cdb = cdb
        self.wanted = size
        self.takes_descriptor = False
        self._complete = RequestReader._parameter_list
        return None

    def _parameter_list(self, data_out: bytes) -> Request:
        self._expect_cdb()
        return Request(self._cdb, data_out)


class ReplyReader(_PartReader):
    """The client's side: reads the reply to one request.

    Args:
        request: The request that was sent.
    """

    def __init__(self, request: Request) -> None:
        super().__init__(_REPLY_HEAD.size)
        self._request = request
        self._head: Completion | None = None

    def feed(self, data: bytes) -> Completion | None:
        """Take bytes from the socket.

        Args:
            data: What was read, 1 to `wanted` bytes.

        Returns:
            The completion, once all of it is there, or None. Its sense data is 96 bytes long, zero
            padded, with CHECK CONDITION, and empty with every other status.

        Raises:
            ProtocolError: The helper broke the protocol.
        """
        part = self._collect(data)
        if part is None:
            return None
        if self._head is not None:
            return Completion(self._head.status, self._head.sense, part)
        status, size, sense = _REPLY_HEAD.unpack(part)
        if not 0 <= status <= 0xFF:
            raise ProtocolError(f"the helper answers with status {status}, which is not one byte")
        returns_data = self._request.cdb[0] == PERSISTENT_RESERVE_IN and status == Status.GOOD
        most = self._request.data_size if returns_data else 0
        if not 0 <= size <= most:
            raise ProtocolError(f"the helper returns {size} bytes of data; at most {most} fit")
        self._head = Completion(status, sense if status == Status.CHECK_CONDITION else b"")
        if not size:
            return self._head
        self.wanted = size
        return None


def _data_out_size(cdb: bytes) -> int:
    """Check a CDB as the helper does; give the size of the parameter list that follows it."""
    code = cdb[0]
    size = _data_size(cdb)
    if code not in _OPERATION_CODES:
        raise ProtocolError(f"operation code {code:#04x} is not PERSISTENT RESERVE IN or OUT")
    if size > MAX_DATA_SIZE:
        raise ProtocolError(f"the command moves {size} bytes, more than {MAX_DATA_SIZE}")
    return size if code == PERSISTENT_RESERVE_OUT else 0


def _data_size(cdb: bytes) -> int:
    return cdb[7] << 8 | cdb[8]
