"""The client of a helper's socket: what QEMU's ``pr-manager-helper`` object does.

Like QEMU it reconnects by itself, but only while it sends a command's CDB. Once the CDB is out the
helper may have carried the command out, so the command is never sent a second time: it fails with
CHECK CONDITION, LOGICAL UNIT COMMUNICATION FAILURE, and the next command connects anew.
"""

import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from types import TracebackType

from qemu_pr.devices import Device
from qemu_pr.protocol import CDB_SIZE, HANDSHAKE, ProtocolError, ReplyReader, Request
from qemu_pr.scsi.sense import LOGICAL_UNIT_COMMUNICATION_FAILURE
from qemu_pr.scsi.status import Completion

DEFAULT_PATH = "/var/run/qemu-pr-helper.sock"
_CREDENTIALS = struct.Struct("iII")  # of SO_PEERCRED: process, user, group

ATTEMPTS = 5
"""How often a CDB is tried before its command fails, as in QEMU."""


class ConnectError(OSError):
    """No helper answers on the socket.

    ``errno`` tells why where the system said so, else it is None; ``filename`` is the socket.
    """

    def __str__(self) -> str:
        return f"Failed to connect to '{self.filename}': {self.strerror}"


class PRManagerHelper(Device):
    """A connection to a helper, as an object of QEMU's class ``pr-manager-helper`` has it.

    Any number of threads may use it; it carries out one command at a time. It is a context manager
    that closes the connection.

    Args:
        path: The helper's socket.
        on_status_changed: Called with True or False when the connection comes back or is lost
            while commands are executed (QEMU's event PR_MANAGER_STATUS_CHANGED). It runs within
            `execute`, so it must not call that.
        interval: Seconds between two attempts to reconnect.
        wait: Called with ``interval`` to let that time pass.

    Raises:
        ConnectError: Nobody listens there, or who listens does not greet like a helper.
    """

    def __init__(
        self,
        path: str = DEFAULT_PATH,
        on_status_changed: Callable[[bool], None] | None = None,
        *,
        interval: float = 1.0,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._path = path
        self._on_status_changed = on_status_changed
        self._interval = interval
        self._wait = wait
        self._lock = threading.Lock()
        self._closed = False
        self._last_error: BaseException | None = None
        self._socket: socket.socket | None = _connect(path)

    @property
    def connected(self) -> bool:
        """Whether there is a connection; one that broke is noticed by the next command only."""
        return self._socket is not None

    @property
    def peer_user(self) -> int | None:
        """The user who made the helper's socket; None if there is no connection."""
        if self._socket is None:
            return None
        credentials = self._socket.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size
        )
        return int(_CREDENTIALS.unpack(credentials)[1])

    @property
    def last_error(self) -> BaseException | None:
        """Why the connection was last lost or refused; None if that never happened."""
        return self._last_error

    def execute(self, fd: int, cdb: bytes, data_out: bytes = b"") -> Completion:
        """Have the helper carry out one command on an open disk.

        Args:
            fd: The disk's descriptor; it stays open, and the caller's.
            cdb: PERSISTENT RESERVE IN or OUT, 10 to 16 bytes.
            data_out: The parameter list of PERSISTENT RESERVE OUT, at most 8192 bytes, else empty.

        Returns:
            What the helper answered; CHECK CONDITION with LOGICAL UNIT COMMUNICATION FAILURE
            (0B/08/00) if it did not, after 5 attempts to send the CDB or a failure behind it.

        Raises:
            ValueError: The helper serves no such command, or the manager is closed.
            OSError: ``fd`` is not an open descriptor.
        """
        request = Request(cdb.ljust(CDB_SIZE, b"\0"), data_out)
        try:
            request.encode()
        except ProtocolError as error:
            raise ValueError(str(error)) from error
        os.fstat(fd)  # a bad descriptor is the caller's fault, no failure of the connection
        with self._lock:
            if self._closed:
                raise ValueError("the manager is closed")
            try:
                connection = self._send_cdb(fd, request.cdb)
                _send(connection, data_out)
                return _receive(connection, request)
            except (OSError, ProtocolError) as error:
                self._disconnect(error)
                return Completion.check_condition(LOGICAL_UNIT_COMMUNICATION_FAILURE)
            except BaseException as error:  # an interrupted reply must not answer the next command
                self._disconnect(error)
                raise

    def close(self) -> None:
        """Close the connection, after the command that may be under way; once is enough."""
        with self._lock:
            self._closed = True
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def __enter__(self) -> "PRManagerHelper":
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _send_cdb(self, fd: int, cdb: bytes) -> socket.socket:
        """Send a CDB with its descriptor, reconnecting where that helps.

        A helper does not act on part of a CDB, so trying again cannot carry a command out twice.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                connection = self._reconnect()
                sent = socket.send_fds(connection, [cdb], [fd])
                _send(connection, cdb[sent:])
            except OSError as error:
                self._disconnect(error)
                if attempt == ATTEMPTS:
                    raise
                if isinstance(error, ConnectError):
                    self._wait(self._interval)
            else:
                break
        return connection

    def _reconnect(self) -> socket.socket:
        if self._socket is None:
            self._socket = _connect(self._path)
            self._tell(connected=True)
        return self._socket

    def _disconnect(self, error: BaseException) -> None:
        self._last_error = error
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._tell(connected=False)

    def _tell(self, *, connected: bool) -> None:
        if self._on_status_changed is not None:
            self._on_status_changed(connected)


def _connect(path: str) -> socket.socket:
    """Connect to a helper and shake hands.

    Raises:
        ConnectError: There is no helper.
    """
    try:
        with contextlib.ExitStack() as on_failure:
            connection = on_failure.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            connection.connect(path)
            # What a helper offers is its business; this client wants none of it.
            _receive_exactly(connection, len(HANDSHAKE))
            connection.sendall(HANDSHAKE)
            on_failure.pop_all()
            return connection
    except OSError as error:
        raise ConnectError(error.errno, error.strerror or str(error), path) from error


def _send(connection: socket.socket, data: bytes) -> None:
    # An empty send would fail if the helper had answered and closed by now, as if it had not.
    if data:
        connection.sendall(data)


def _receive(connection: socket.socket, request: Request) -> Completion:
    reader = ReplyReader(request)
    while True:
        completion = reader.feed(_receive_some(connection, reader.wanted))
        if completion is not None:
            return completion


def _receive_exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += _receive_some(connection, size - len(data))
    return data


def _receive_some(connection: socket.socket, size: int) -> bytes:
    data = connection.recv(size)
    if not data:
        raise ConnectionError("the helper closed the connection")
    return data
