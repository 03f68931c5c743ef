"""One client: what it sends becomes commands, and what they come to becomes replies."""

from __future__ import annotations

import _socket as socket  # without enum
import os
import struct
from time import monotonic

from qemu_pr.devices import DeviceError
from qemu_pr.devices.device_mapper import is_multipath_map
from qemu_pr.helper.carry_out import carry_out
from qemu_pr.protocol import (
    CDB_SIZE,
    HANDSHAKE,
    MAX_DATA_SIZE,
    ProtocolError,
    Request,
    RequestReader,
    encode_reply,
)
from qemu_pr.scsi.codes import PERSISTENT_RESERVE_IN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from qemu_pr.devices import Device
    from qemu_pr.helper.events import Events

IDLE_AFTER = 1
"""How long `Connection.advance` waits for a client, in seconds."""

SLOW = 100e-6
"""From how many seconds on a command counts as slow: about what it costs to change threads."""

# A thread that is not scheduled makes a fast disk look slow, but not often in a row. A command that
# takes very long counts as three: to be wrong costs little beside it.
_VERY_SLOW = 1e-3  # seconds
_SLOW_IN_A_ROW = 3
_SLOW_FOR_LONG = 6

_TAKES_NO_REPLIES = "it does not take its replies"

_MAX_DATA_SIZE = MAX_DATA_SIZE.to_bytes(2, "big")

# A message carries 253 descriptors at most (SCM_MAX_FD). With room for all of them none is lost,
# and every one can be closed.
_ANCILLARY_SIZE = socket.CMSG_SPACE(struct.calcsize("253i"))
_ONE_DESCRIPTOR = struct.Struct("i")
_RECEIVE = socket.MSG_CMSG_CLOEXEC
_RECEIVE_NOW = socket.MSG_CMSG_CLOEXEC | socket.MSG_DONTWAIT


class Connection:
    """A connection to a client, used by one thread at a time.

    Args:
        connected: The socket, which blocks.
        device: What carries out the commands.
        events: Where to report what happens.
        is_kept: Whether another process did the handshake, and had this one keep it; without,
            `greet` comes first.

    Raises:
        OSError: The connection broke.

    Attributes:
        client: The client's process ID; its user may have many.
        user: The client's user ID.
        left_over: With `is_kept`, a request for a multipath map and its descriptor: not carried
            out, because one process alone sees to it that a map gets one command at a time.
        half_sent_since: When the request that is being received began, by the monotonic clock; 0.0
            if none is. The handshake counts as one.
        ended: Whether there is nothing more to `advance`.
        is_finished: Whether it takes no further commands.
        is_slow: Whether the next command is likely to wait for its disk.
    """

    __slots__ = (
        "_device",
        "_events",
        "_held",
        "_is_kept",
        "_reader",
        "_slow",
        "_socket",
        "_stays",
        "client",
        "ended",
        "half_sent_since",
        "is_finished",
        "is_slow",
        "left_over",
        "user",
    )

    def __init__(
        self,
        connected: socket.socket,
        device: Device,
        events: Events,
        *,
        is_kept: bool = False,
    ) -> None:
        self._socket = connected
        self._device = device
        self._events = events
        self._reader = RequestReader(after_handshake=is_kept)
        self._held: list[int] = []  # the descriptors of the request that is being read
        self._is_kept = self._stays = is_kept  # no other process may keep it
        self.left_over: tuple[Request, int] | None = None
        self._slow = _SLOW_IN_A_ROW if is_kept else 0
        self.is_slow = is_kept
        self.client, self.user = _peer_of(connected)
        self.half_sent_since = 0.0
        self.ended = False
        self.is_finished = False

    def greet(self, allowed_users: Container[int] | None = None) -> None:
        """Begin the handshake.

        Args:
            allowed_users: The IDs of the users who may connect; None: all who reach the socket.

        Raises:
            PermissionError: The client's user is not among them.
            OSError: The connection broke.
        """
        if allowed_users is not None and self.user not in allowed_users:
            self._events("pr_helper_deny", self.client, self.user)
            raise PermissionError
        self._socket.setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", IDLE_AFTER, 0)
        )
        self._socket.send(HANDSHAKE, socket.MSG_DONTWAIT)
        self.half_sent_since = monotonic()
        self._events("pr_helper_accept", self.client, self.user)  # one that has an end, too

    def fileno(self) -> int:
        """The descriptor of the socket; -1 once it is closed."""
        return self._socket.fileno()

    def count_as_slow(self) -> None:
        """Take the next command for a slow one."""
        self._slow = _SLOW_IN_A_ROW
        self.is_slow = True

    def count_as_fast(self) -> None:
        """Take the next command for a fast one."""
        self._slow = 0
        self.is_slow = False

    def stay(self) -> None:
        """Have this process keep it, however slow its disk is."""
        self._stays = True

    def keep(self, request_timeout: float) -> bool:
        """Advance as long as the disk is slow, and the client has something to send.

        Args:
            request_timeout: How long the client may take to send a request, in seconds.

        Returns:
            True if that is likely to go on for long, and another process may keep the connection.
        """
        while self.is_slow and not self.ended and not self.left_over:
            came = self.advance(wait=True)
            if self.half_sent_since:
                self.refuse_if_late(request_timeout, monotonic())
            elif not came:
                break
            elif self._slow >= _SLOW_FOR_LONG and not self._stays:
                return not self.ended
        return False

    def advance(self, *, wait: bool) -> bool:
        """Read once; if that completes a request, carry it out and reply.

        A reply never waits. QEMU sends one command at a time, so that the kernel has room for its
        reply; a client that sends more and takes no replies is disconnected.

        Args:
            wait: Wait for the client up to `IDLE_AFTER` seconds.

        Returns:
            False if there was nothing to read.
        """
        reader = self._reader
        try:
            data, ancillary, result_flags, _ = self._socket.recvmsg(
                reader.wanted, _ANCILLARY_SIZE, _RECEIVE if wait else _RECEIVE_NOW
            )
        except BlockingIOError:
            return False
        except OSError:
            self._end()
            return True
        try:
            if (
                reader.is_idle
                and len(data) == CDB_SIZE
                and data[0] == PERSISTENT_RESERVE_IN
                and data[7:9] <= _MAX_DATA_SIZE
                and ancillary
                and len(ancillary[0][2]) == _ONE_DESCRIPTOR.size
                and not result_flags & socket.MSG_CTRUNC
            ):  # nearly every request: nothing of it has to be kept until more comes
                (descriptor,) = _ONE_DESCRIPTOR.unpack(ancillary[0][2])
                self._answer(data, b"", descriptor)
                return True
            count = 0
            if ancillary:  # SCM_RIGHTS: no socket option asks for anything else
                descriptors = memoryview(ancillary[0][2]).cast("i").tolist()
                count = len(descriptors)
                if reader.takes_descriptor:
                    self._held += descriptors
                else:
                    for descriptor in descriptors:
                        _close(descriptor)
            if result_flags & socket.MSG_CTRUNC:  # this process has as many open as it may
                raise ProtocolError("its descriptors do not fit into the helper any more")
            if not data:
                self._end()
            elif request := reader.feed(data, count):
                self._answer(request.cdb, request.data_out, self._held.pop())
                self.half_sent_since = 0.0
            elif reader.is_idle:
                self.half_sent_since = 0.0
            elif not self.half_sent_since:
                self.half_sent_since = monotonic()
        except ProtocolError as error:
            self.refuse(str(error))
        except BlockingIOError:
            self.refuse(_TAKES_NO_REPLIES)
        except ConnectionError:
            self._end()
        except Exception as error:  # this client's loss only
            self.refuse(repr(error))
        return True

    def refuse(self, reason: str) -> None:
        """Break off, and report why, unless it has ended anyway."""
        if self.ended:
            return
        self._events("pr_helper_refuse", self.client, reason)
        self.ended = True

    def refuse_if_late(self, request_timeout: float, now: float) -> float:
        """Break off if a request takes too long to come.

        Args:
            request_timeout: How long it may take, in seconds.
            now: The time by the monotonic clock.

        Returns:
            The seconds that it has left.
        """
        left = self.half_sent_since + request_timeout - now
        if left <= 0:
            self.refuse(f"no whole request came within {request_timeout:g} seconds")
        return left

    def finish(self) -> None:
        """Let no further command in: what was sent is answered, then comes the end of the stream.

        A client that sends nevertheless gets EPIPE. QEMU then connects again and sends the same
        command to the helper that it finds. Safe in any thread.
        """
        self.is_finished = True
        try:
            self._socket.shutdown(socket.SHUT_RD)
        except OSError:  # it is closed by now
            pass

    def close(self) -> None:
        """Close the connection and all descriptors that came through it."""
        while self._held:
            _close(self._held.pop())
        self._socket.close()

    def take_back(self, request: Request, descriptor: int) -> None:
        """Carry out what another process left over, and keep the connection here from now on.

        Args:
            request: The request.
            descriptor: What came with it; closed here.
        """
        self._stays = True
        try:
            self._answer(request.cdb, request.data_out, descriptor)
        except BlockingIOError:
            self.refuse(_TAKES_NO_REPLIES)
        except OSError:
            self._end()

    def _answer(self, cdb: bytes, data_out: bytes, descriptor: int) -> None:
        """Carry out a request, close the descriptor that came with it, and reply."""
        if self._is_kept and _may_be_map(descriptor):
            self.left_over = Request(cdb, data_out), descriptor
            return
        began = monotonic()
        completion = carry_out(
            self._device, descriptor, cdb, data_out, self.client, self.user, self._events
        )
        if (took := monotonic() - began) > SLOW:
            self._slow += 1 if took < _VERY_SLOW else _SLOW_IN_A_ROW
            self.is_slow = self._slow >= _SLOW_IN_A_ROW
            self._stays = self._stays or _may_be_map(descriptor)
        elif self._slow:
            self.count_as_fast()
        _close(descriptor)
        reply = encode_reply(cdb, completion)
        if self._socket.send(reply, socket.MSG_DONTWAIT) < len(reply):
            raise BlockingIOError

    def _end(self) -> None:
        self._events("pr_helper_close", self.client)
        self.ended = True


def _may_be_map(fd: int) -> bool:
    try:
        return is_multipath_map(fd)
    except (DeviceError, OSError):  # whoever carries the command out says so
        return True


def _close(descriptor: int) -> None:
    """Close; Linux has closed a descriptor even if it reports an error."""
    try:
        os.close(descriptor)
    except OSError:
        pass


def _peer_of(connected: socket.socket) -> tuple[int, int]:
    """Give the IDs of the process and of the user that connected."""
    credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    process, user, _ = struct.unpack("@iII", credentials)
    return process, user
