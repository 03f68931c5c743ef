"""One client, from its handshake to its end, in the thread that belongs to it.

All that may block on a client's behalf happens here, and blocks this thread only: reading what it
sends, carrying out its commands, and closing what it passed. Closing a descriptor can take as long
as its sender likes: a TCP socket lingers, a FUSE file system is told to flush.

A connection has one straight way, `Connection.live`::

    allowed? -> greet -> read until a request is whole -> carry it out -> close -> reply
                         ^                                                           |
                         +-----------------------------------------------------------+

It ends where the client leaves, breaks the protocol or takes too long, or where the helper stops.
"""

import os
import select
import socket
import struct
from argparse import Namespace
from time import monotonic

from qemu_pr.devices import Device
from qemu_pr.helper.carry_out import Client, carry_out
from qemu_pr.helper.events import Events
from qemu_pr.protocol import HANDSHAKE, ProtocolError, Request, RequestReader, encode_reply

_INT = struct.Struct("i")

# For two descriptors, as a command has one. The kernel drops all that do not fit, so that no client
# has this process hold more.
_MOST_DESCRIPTORS = 2
_ANCILLARY_SIZE = socket.CMSG_SPACE(_MOST_DESCRIPTORS * _INT.size)

# SO_PASSCRED, SO_PASSSEC and SO_PASSPIDFD of <asm-generic/socket.h>: whoever made the listening
# socket may have asked to be told more than descriptors, as systemd's PassCredentials= does.
_NOT_TO_BE_TOLD = (16, 34, 76)


class Connection:
    """A connection to a client.

    Args:
        connected: The socket, which blocks.
        device: What carries out the commands.
        events: Where to report what happens.
        settings: The options ``allow_user`` and ``request_timeout``.

    Attributes:
        client: Who connected.
        is_finished: Whether it was told to take no further commands.
        is_closing: Whether its thread closes what the client passed.
    """

    def __init__(
        self, connected: socket.socket, device: Device, events: Events, settings: Namespace
    ) -> None:
        self._socket = connected
        self._device = device
        self._events = events
        self._settings = settings
        self._held: list[int] = []  # the descriptors of the request that is being read
        self.client = _peer_of(connected)
        self.is_finished = False
        self.is_closing = False

    def live(self) -> None:
        """Serve the client to the end, and close all that came from it."""
        try:
            self._serve()
        finally:
            self._close(self._held)
            self.is_closing = True
            self._socket.close()

    def finish(self) -> None:
        """Let no further command in: what was sent is answered, then comes the end of the stream.

        A client that sends nevertheless gets EPIPE. QEMU then connects again and sends the same
        command to the helper that it finds. For other threads; it does not wait.
        """
        self.is_finished = True
        try:
            self._socket.shutdown(socket.SHUT_RD)
        except OSError:  # it is closed by now
            pass

    def _serve(self) -> None:
        allowed = self._settings.allow_user
        if allowed and self.client.user not in allowed:
            self._events("pr_helper_deny", self.client, self.client.user)
            return
        self._events("pr_helper_accept", self.client, self.client.user)
        try:
            self._converse()
        except ProtocolError as error:
            self._events("pr_helper_refuse", self.client, error)
        except BlockingIOError:
            self._events("pr_helper_refuse", self.client, "it does not take its replies")
        except ConnectionError:
            self._events("pr_helper_close", self.client)
        except Exception as error:  # this client's loss only
            self._events("pr_helper_refuse", self.client, repr(error))
        else:
            self._events("pr_helper_close", self.client)

    def _converse(self) -> None:
        for option in _NOT_TO_BE_TOLD:
            _unset(self._socket, option)
        self._socket.send(HANDSHAKE, socket.MSG_DONTWAIT)
        reader = RequestReader()
        half_sent_since = monotonic()  # 0: the client owes nothing, and may take its time
        while True:
            if half_sent_since:
                self._wait_until(half_sent_since + self._settings.request_timeout)
            data, ancillary, result_flags, _ = self._socket.recvmsg(
                reader.wanted, _ANCILLARY_SIZE, socket.MSG_CMSG_CLOEXEC
            )
            passed = _descriptors(ancillary) if ancillary else []
            if not reader.takes_descriptor:
                self._close(passed)
            else:
                self._held += passed
                if result_flags & socket.MSG_CTRUNC and len(passed) < _MOST_DESCRIPTORS:
                    raise ProtocolError("its descriptors do not fit into the helper any more")
            if not data:
                return
            if request := reader.feed(data, len(passed)):
                self._answer(request)
            half_sent_since = 0.0 if reader.is_idle else half_sent_since or monotonic()

    def _wait_until(self, deadline: float) -> None:
        """Wait for the rest of what the client began to send."""
        poller = select.poll()
        poller.register(self._socket, select.POLLIN)
        if not poller.poll(max(0.0, deadline - monotonic()) * 1000):
            raise ProtocolError(
                f"no whole request came within {self._settings.request_timeout:g} seconds"
            )

    def _answer(self, request: Request) -> None:
        """Carry out a request, close its descriptor, and reply.

        A reply never waits. QEMU sends one command at a time, so that the kernel has room for its
        reply; a client that sends more and takes no replies is disconnected.
        """
        completion = carry_out(self._device, self._held[0], request, self.client, self._events)
        self._close(self._held)
        reply = encode_reply(request.cdb, completion)
        if self._socket.send(reply, socket.MSG_DONTWAIT) < len(reply):
            raise BlockingIOError

    def _close(self, descriptors: list[int]) -> None:
        self.is_closing = True
        while descriptors:
            try:
                os.close(descriptors.pop())
            except OSError:  # Linux has closed it all the same
                pass
        self.is_closing = False


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    return [
        descriptor
        for level, kind, data in ancillary
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        for (descriptor,) in _INT.iter_unpack(data)
    ]


def _unset(connected: socket.socket, option: int) -> None:
    try:
        connected.setsockopt(socket.SOL_SOCKET, option, 0)
    except OSError:  # this kernel does not know it
        pass


def _peer_of(connected: socket.socket) -> Client:
    credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    process, user, _ = struct.unpack("@iII", credentials)
    return Client(process, user)
