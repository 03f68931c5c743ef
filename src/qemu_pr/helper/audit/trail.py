"""What the process that serves clients tells of each PERSISTENT RESERVE OUT, and waits for.

A record is a message; the number that comes back says that its line is written. To find names for
what is in it is for whoever writes it down.
"""

import marshal
import os
import socket
import struct
from _thread import allocate_lock

from qemu_pr.helper.carry_out import CarriedOut, Client
from qemu_pr.helper.events import Events
from qemu_pr.scsi.opcodes import PERSISTENT_RESERVE_OUT

NUMBER = struct.Struct("=Q")

ORIGIN = ("comm", "cgroup", "stat")
"""What is kept of /proc/PID when a client connects: later the number may be another process's."""

_ORIGIN_SIZE = 4096  # bytes of each
_PATIENCE = 1.0  # seconds; longer than any line takes


class Trail:
    """Sends a record of each command, one at a time. Safe in any thread.

    When the other side does not answer in time, commands are carried out unaudited: the line is
    lost, and so are further ones without a wait until it has caught up.

    Args:
        channel: Takes records and brings numbers, one a message.
        events: What reports clients and commands; told, too, when lines are lost.
    """

    def __init__(self, channel: socket.socket, events: Events) -> None:
        self._channel = channel
        self._events = events
        self._lock = allocate_lock()
        self._sent = self._written = 0  # numbers
        self._lost = 0  # lines, since the last one that was written
        events.listen("pr_helper_accept", _remember_origin)
        events.listen("pr_helper_reply", self._tell)

    def _tell(self, command: CarriedOut) -> None:
        if command.request.cdb[0] != PERSISTENT_RESERVE_OUT:
            return
        status = os.fstat(command.fd)
        record = (
            command.request.cdb,
            command.request.data_out,
            int(command.completion.status),
            command.completion.sense,
            command.seconds,
            os.fsencode(command.path),
            status.st_mode,
            status.st_rdev,
            command.client.process,
            command.client.user,
            command.client.origin,
        )
        with self._lock:
            try:
                self._catch_up()
                self._channel.settimeout(_PATIENCE)
                self._channel.send(
                    NUMBER.pack(self._sent + 1) + marshal.dumps((self._lost, record))
                )
                self._sent += 1
                self._receive()
                self._lost = 0
            except OSError as error:
                self._lost += 1
                if self._lost == 1:
                    why = error.strerror or "no answer"
                    self._events("pr_helper_audit_fail", "the audit log's process", why)

    def _catch_up(self) -> None:
        """Take the numbers of lines that were given up, if they are there by now."""
        self._channel.settimeout(0)
        while self._written < self._sent:
            self._receive()

    def _receive(self) -> None:
        answer = self._channel.recv(NUMBER.size)
        if not answer:
            raise ConnectionResetError(0, "it has ended; restart the helper")
        (self._written,) = NUMBER.unpack(answer)


def _remember_origin(client: Client, _user: int) -> None:
    client.origin = tuple(read(f"/proc/{client.process}/{name}") for name in ORIGIN)


def read(path: str) -> bytes:
    """Give the beginning of a file of /proc; nothing if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(_ORIGIN_SIZE)
    except OSError:
        return b""
