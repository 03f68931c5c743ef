"""The helper's wire protocol, as bytes: a client that shares no code with the helper it tests."""

import os
import socket
from types import TracebackType
from typing import Self

from waiting import PATIENCE, waiting_for

REPLY_HEADER = 104  # status, size, 96 bytes of sense data
CHECK_CONDITION, UNIT_ATTENTION = 2, 6


class Client:
    """A connection to a helper, with the handshake done."""

    def __init__(self, path: str, seconds: float = PATIENCE) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._seconds = seconds
        self._socket.settimeout(seconds)
        self._socket.connect(path)
        self._receive(4)
        self._socket.sendall(bytes(4))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()

    def command(self, node: str | int | None, cdb: bytes, parameter_list: bytes = b"") -> bytes:
        """Send a command, and give its reply unchanged.

        Args:
            node: The device whose descriptor goes with the command, or that descriptor, which stays
                open as QEMU's does; None sends no descriptor. When one is closed that could write,
                udev looks at the device again, which takes time from what is measured.
            cdb: At most 16 bytes; zeros fill them up.
            parameter_list: What follows a PERSISTENT RESERVE OUT.

        Raises:
            EOFError: The helper closed the connection.
            TimeoutError: The helper did not answer.
        """
        request = [cdb.ljust(16, b"\0")]
        if node is None:
            self._socket.sendmsg(request)
        elif isinstance(node, int):
            socket.send_fds(self._socket, request, [node])
        else:
            descriptor = os.open(node, os.O_RDWR)
            socket.send_fds(self._socket, request, [descriptor])
            os.close(descriptor)
        self._socket.sendall(parameter_list)
        header = self._receive(REPLY_HEADER)
        return header + self._receive(int.from_bytes(header[4:8], "big"))

    def _receive(self, size: int) -> bytes:
        received = b""
        with waiting_for("the helper to answer", self._seconds):
            while len(received) < size:
                piece = self._socket.recv(size - len(received))
                if not piece:
                    raise EOFError("the helper closed the connection")
                received += piece
        return received


def persistent_reserve_in(service_action: int, allocation_length: int = 8192) -> bytes:
    return bytes([0x5E, service_action, *bytes(5)]) + allocation_length.to_bytes(2, "big") + b"\0"


def persistent_reserve_out(service_action: int, type_: int = 0, length: int = 24) -> bytes:
    return bytes([0x5F, service_action, type_, *bytes(2)]) + length.to_bytes(4, "big") + b"\0"


def parameter_list(key: int, service_action_key: int, flags: int = 0) -> bytes:
    keys = key.to_bytes(8, "big") + service_action_key.to_bytes(8, "big")
    return keys + bytes([0, 0, 0, 0, flags, 0, 0, 0])


def status(reply: bytes) -> int:
    return int.from_bytes(reply[:4], "big")


def out(client: Client, node: str, action: int, key: int, other: int = 0, type_: int = 0) -> int:
    """Send PERSISTENT RESERVE OUT, again after a unit attention, and give its status."""
    for _ in range(4):
        reply = client.command(
            node, persistent_reserve_out(action, type_), parameter_list(key, other)
        )
        if status(reply) != CHECK_CONDITION or reply[10] != UNIT_ATTENTION:
            break
    return status(reply)


def registered_keys(reply: bytes) -> list[int]:
    """Give the keys that READ KEYS returned."""
    keys = reply[REPLY_HEADER + 8 :]
    return [int.from_bytes(keys[at : at + 8], "big") for at in range(0, len(keys), 8)]
