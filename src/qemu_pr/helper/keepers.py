"""Processes that keep connections whose disk is slow for long: threads would wait for each other.

Python lets one thread of a process run at a time. A thread that comes back from its disk waits for
its turn there, and several times more until it has replied; with 16 disks that take 2 ms each, the
threads spend more time on taking turns than on their commands. So these connections go to other
processes, a few for all of them::

    the process that polls  -- the client's socket -->  a keeper
                            <-------- the end --------

They come back as soon as their disk is fast again or their client has nothing to send. Most helpers
never need a keeper. So they start with a process that waits, and forks one when it is needed: by
then the helper itself has threads, and must not fork any more.
"""

from __future__ import annotations

import _socket as socket  # without enum
import errno
import os
import resource
import struct
import sys
from _thread import allocate_lock, start_new_thread

from qemu_pr.forked import end_with
from qemu_pr.helper import StartError
from qemu_pr.helper.baton import SWITCH
from qemu_pr.helper.connection import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from qemu_pr.devices import Device
    from qemu_pr.helper.events import Events

COUNT = 4
"""How many keepers there are at most."""

# What a keeper says of a connection: first that it has it, in the end one of the others.
_TAKEN, _ENDED, _BACK = b"t", b"e", b"b"

_ANCILLARY_SIZE = socket.CMSG_SPACE(struct.calcsize("2i"))


class _Keeper:
    """A keeper, seen from the process that polls."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.kept = 0


class Keepers:
    """The keepers, none of which has been forked yet. Safe in any thread.

    Args:
        device: What carries out commands, in the keepers, too.
        events: Where to report what happens.
        request_timeout: How long a client may take to send a request, in seconds.
        prepare: Called in the process that waits, at once.
        begin: Called in each keeper at once, with its number from 1 on.

    Raises:
        StartError: The system refuses another process.
    """

    def __init__(
        self,
        device: Device,
        events: Events,
        request_timeout: float,
        prepare: Callable[[], None],
        begin: Callable[[int], None],
    ) -> None:
        self._events = events
        self._lock = allocate_lock()
        self._keepers: dict[int, _Keeper] = {}
        self._has_failed = False
        self._orders, orders = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

        def live_as(number: int, channel: socket.socket) -> None:
            orders.close()
            begin(number)
            _keep_all(channel, device, events, request_timeout)

        def live() -> None:
            self._orders.close()
            prepare()
            _fork_on_order(orders, live_as)

        try:
            if os.fork() == 0:
                end_with(live)
        except OSError as error:
            raise StartError(f"cannot start the process for slow disks: {error.strerror}") from None
        orders.close()

    def keep(self, connection: Connection) -> bool:
        """Have a keeper keep a connection; wait until it no longer does.

        Args:
            connection: It is between two requests, and nobody else uses it meanwhile.

        Returns:
            False if no keeper can.
        """
        try:
            said = self._have_kept(connection)
        except OSError as error:
            if not self._has_failed:
                self._events("pr_helper_keeper_fail", error.strerror)
            self._has_failed = True
            return False
        if said == _BACK:
            connection.count_as_fast()
        elif said == _ENDED:
            connection.ended = True
        else:
            connection.refuse("the process that kept it ended")
        return True

    def _have_kept(self, connection: Connection) -> bytes:
        """Hand a connection over; give the last that the keeper says of it, or nothing.

        Raises:
            OSError: It was not handed over.
        """
        end, theirs = socket.socketpair()
        try:
            try:
                keeper = self._hand_over(connection, theirs)
            finally:
                theirs.close()
            try:
                if end.recv(1) != _TAKEN:
                    raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
                return end.recv(1)
            finally:
                with self._lock:
                    keeper.kept -= 1
        finally:
            end.close()

    def _hand_over(self, connection: Connection, end: socket.socket) -> _Keeper:
        with self._lock:
            number, keeper = self._freest()
            try:
                _send(keeper.channel, b"\0", end.fileno(), connection.fileno())
            except ConnectionError:  # it is gone
                del self._keepers[number]
                raise
            keeper.kept += 1
        return keeper

    def _freest(self) -> tuple[int, _Keeper]:
        """Find the keeper that keeps the fewest; while all keep some, have another one forked."""
        if len(self._keepers) < COUNT and all(one.kept for one in self._keepers.values()):
            number = next(n for n in range(1, COUNT + 1) if n not in self._keepers)
            channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            try:
                _send(self._orders, bytes((number,)), theirs.fileno())
            finally:
                theirs.close()
            self._keepers[number] = _Keeper(channel)
        return min(self._keepers.items(), key=lambda item: item[1].kept)


def _send(channel: socket.socket, message: bytes, *descriptors: int) -> None:
    passed = struct.pack(f"{len(descriptors)}i", *descriptors)
    channel.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)])


def _receive(channel: socket.socket, count: int) -> tuple[bytes, list[socket.socket]]:
    """Receive a message and its sockets: all of them or none. No message at the end."""
    message, ancillary, _, _ = channel.recvmsg(1, _ANCILLARY_SIZE, socket.MSG_CMSG_CLOEXEC)
    passed = [fd for _, _, data in ancillary for (fd,) in struct.iter_unpack("i", data)]
    sockets = [socket.socket(fileno=fd) for fd in passed]
    if len(sockets) < count:  # this process has as many open as it may
        for one in sockets:
            one.close()
        sockets = []
    return message, sockets


def _fork_on_order(orders: socket.socket, live_as: Callable[[int, socket.socket], None]) -> None:
    """Fork a keeper for each order, until the process that gives them is gone."""
    while True:
        message, channels = _receive(orders, 1)
        if not message:
            return
        for channel in channels:
            try:
                if os.fork() == 0:
                    end_with(lambda: live_as(message[0], channel))  # noqa: B023
            except OSError:  # no process: the end of the channel tells
                pass
            channel.close()


def _keep_all(
    channel: socket.socket, device: Device, events: Events, request_timeout: float
) -> None:
    """Keep each connection that comes, until the process that sends them is gone."""
    sys.setswitchinterval(SWITCH)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def keep(end: socket.socket, connected: socket.socket) -> None:
        try:
            connection = Connection(connected, device, events, is_kept=True)
            end.send(_TAKEN)
            connection.keep(request_timeout)
            end.send(_ENDED if connection.ended else _BACK)
            connection.close()
        except OSError:  # the process that waits for it is gone, and this one is about to go
            pass
        finally:
            end.close()

    while True:
        message, sockets = _receive(channel, 2)
        if not message:
            return
        if sockets:
            try:
                start_new_thread(keep, (sockets[0], sockets[1]))
            except RuntimeError:  # no thread: whoever does not hear that it is taken, keeps it
                for one in sockets:
                    one.close()
