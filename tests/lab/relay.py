"""A relay between QEMU and a helper, which notes every command that passes."""

import os
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from wire import REPLY_HEADER


class Relay:
    """Listens on one socket and passes everything on to the helper on another.

    Attributes:
        commands: The operation code and the service action of each command, in order.
    """

    def __init__(self, path: str, helper: str) -> None:
        self.commands: list[tuple[int, int]] = []
        self._path = path
        self._helper = helper
        self._listener = socket.socket(socket.AF_UNIX)
        self._connections = [self._listener]

    def __enter__(self) -> Self:
        self._listener.bind(self._path)
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for connection in self._connections:
            with suppress(OSError):  # QEMU closed it
                connection.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        os.unlink(self._path)

    def _serve(self) -> None:
        """Serve the one client, QEMU, until it or the relay closes."""
        with suppress(OSError, EOFError), self._listener.accept()[0] as client:
            self._connections.append(client)
            with socket.socket(socket.AF_UNIX) as helper:
                helper.connect(self._helper)
                client.sendall(_receive(helper, 4))
                helper.sendall(_receive(client, 4))
                while True:
                    self._pass_command(client, helper)

    def _pass_command(self, client: socket.socket, helper: socket.socket) -> None:
        cdb, descriptors, _, _ = socket.recv_fds(client, 16, 1)
        if not cdb:
            raise EOFError
        cdb += _receive(client, 16 - len(cdb))
        self.commands.append((cdb[0], cdb[1] & 0x1F))
        socket.send_fds(helper, [cdb], descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        if cdb[0] == 0x5F:
            helper.sendall(_receive(client, int.from_bytes(cdb[5:9], "big")))
        header = _receive(helper, REPLY_HEADER)
        client.sendall(header + _receive(helper, int.from_bytes(header[4:8], "big")))


def _receive(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        piece = connection.recv(size - len(received))
        if not piece:
            raise EOFError
        received += piece
    return received
