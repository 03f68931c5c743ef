"""A helper that answers as a test tells it to, with bytes that no real helper would send."""

import fcntl
import os
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

from qemu_pr.protocol import HANDSHAKE, ProtocolError, Request, RequestReader


@dataclass(frozen=True)
class Received:
    """A request, and what its descriptor is: device and inode number, O_RDONLY or O_RDWR."""

    cdb: bytes
    data_out: bytes
    file: tuple[int, int]
    access: int


@dataclass(frozen=True)
class HangUp:
    """Bytes to send before the connection is closed."""

    data: bytes = b""


Answer = bytes | HangUp


def reply(status: int = 0, data: bytes = b"", sense: bytes = b"", size: int | None = None) -> bytes:
    """Give the bytes of a reply; ``size`` lies about the data."""
    return struct.pack(">ii96s", status, len(data) if size is None else size, sense) + data


class ScriptedHelper:
    """Serves one connection after the other, in a thread, until the end of the block.

    Attributes:
        path: The socket.
        answer: Gives the answer to a request.
        greeting: What the helper says first; a `HangUp` ends the connection at that.
        received: Every request since it started.
        connections: How many clients have connected.
    """

    def __init__(self, path: str, answer: Callable[[Request], Answer] = lambda _: reply()) -> None:
        self.path = path
        self.answer = answer
        self.greeting: Answer = HANDSHAKE
        self.received: list[Received] = []
        self.connections = 0
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(path)
        self._listening.listen()
        self._connection: socket.socket | None = None
        self._thread = threading.Thread(target=self._accept)

    def __enter__(self) -> "ScriptedHelper":
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self.disconnect()
        self._thread.join()
        self._listening.close()
        os.unlink(self.path)

    def disconnect(self) -> None:
        """Close the connection that is open, if one is."""
        connection = self._connection
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:  # shut down
                return
            self.connections += 1
            with connection, suppress(OSError, ProtocolError):
                self._connection = connection
                self._serve(connection)
            self._connection = None

    def _serve(self, connection: socket.socket) -> None:
        if not _send(connection, self.greeting):
            return
        reader = RequestReader()
        descriptor = -1
        while True:
            data, descriptors, _, _ = socket.recv_fds(connection, reader.wanted, 1)
            if not data:
                return
            for descriptor in descriptors:
                status = os.fstat(descriptor)
                access = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
                os.close(descriptor)
            request = reader.feed(data, len(descriptors))
            if request is not None:
                file = (status.st_dev, status.st_ino)
                self.received.append(Received(request.cdb, request.data_out, file, access))
                if not _send(connection, self.answer(request)):
                    return


def _send(connection: socket.socket, answer: Answer) -> bool:
    connection.sendall(answer.data if isinstance(answer, HangUp) else answer)
    return not isinstance(answer, HangUp)
