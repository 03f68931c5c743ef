"""Processes that keep connections whose disk is slow for long: threads would wait for each other.

Python lets one thread of a process run at a time. A thread that comes back from its disk waits for
its turn there, and several times more until it has replied; with 16 disks that take 2 ms each, the
threads spend more time on taking turns than on their commands. So these connections go to other
processes, a few for all of them::

    the process that polls  -- the client's socket -->  a keeper
                            <-------- the end --------

They come back as soon as their disk is fast again, their client has nothing to send, or it sends a
command for a multipath map: one process alone sees to it that a map gets one at a time.

Most helpers never need a keeper. So they start with a process that waits, and forks one when it is
needed: by then the helper itself has threads, and must not fork any more.
"""

from __future__ import annotations

import _socket as socket  # without enum
import errno
import os
import resource
import select
import struct
import sys
from _thread import allocate_lock, start_new_thread

from qemu_pr.forked import end_with
from qemu_pr.helper.baton import SWITCH
from qemu_pr.helper.connection import Connection
from qemu_pr.helper.stop_signals import allow_in_this_thread, block_in_this_thread
from qemu_pr.protocol import CDB_SIZE, MAX_DATA_SIZE, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from qemu_pr.devices import Device
    from qemu_pr.helper.events import Events

COUNT = 4
"""How many keepers there are at most."""

# What a keeper says: first that it waits for a connection, and in the end what became of it. Behind
# the last of them comes the request.
_READY, _ENDED, _FAST, _IDLE, _LEFT_OVER = b"r", b"e", b"f", b"i", b"l"

_SOON = 1000  # milliseconds that a keeper has to become ready
_EACH_MISSED = 4  # connections

_SIZE_MAX = 1 + CDB_SIZE + MAX_DATA_SIZE
_ANCILLARY_SIZE = socket.CMSG_SPACE(struct.calcsize("i"))


class _Keeper:
    """A keeper, seen from the process that polls."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.kept = 0
        self.missed = 0  # connections in a row for which it was not ready in time

    @property
    def load(self) -> int:
        """How many connections it seems to keep; it gets one more if that is the least."""
        return self.kept + self.missed * _EACH_MISSED


class Keepers:
    """The keepers, none of which has been forked yet. Safe in any thread.

    Args:
        device: What carries out commands in the keepers; none on multipath maps.
        events: Where to report what happens.
        request_timeout: How long a client may take to send a request, in seconds.
        prepare: Called in the process that waits, at once.
        begin: Called in each keeper at once, with its number from 1 on.

    Raises:
        OSError: The system refuses another process.
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
        self._orders, orders = _pair()

        def live_as(number: int, channel: socket.socket) -> None:
            orders.close()
            begin(number)
            _keep_all(channel, device, events, request_timeout)

        def live() -> None:
            self._orders.close()
            prepare()
            _fork_on_order(orders, live_as)

        block_in_this_thread()  # or that process would count them, too
        try:
            if os.fork() == 0:
                end_with(live)
        finally:
            allow_in_this_thread()
        orders.close()

    def keep(self, connection: Connection) -> bool:
        """Have a keeper keep a connection; wait until it no longer does.

        Args:
            connection: It is between two requests, and nobody else uses it meanwhile.

        Returns:
            False if no keeper can.
        """
        try:
            said, passed = self._have_kept(connection)
        except OSError as error:
            if not self._has_failed:
                self._events("pr_helper_keeper_fail", error.strerror)
            self._has_failed = True
            connection.count_as_slow()
            if error.errno == errno.ETIMEDOUT:
                connection.stay()  # once is enough to wait for
            return False
        self._has_failed = False
        if said == _FAST:
            connection.count_as_fast()
        elif said == _IDLE:
            connection.count_as_slow()
        elif said == _ENDED:
            connection.ended = True
        elif passed:  # left over
            request = Request(said[1 : 1 + CDB_SIZE], said[1 + CDB_SIZE :])
            connection.take_back(request, passed[0])
        else:
            connection.refuse("the process that kept it ended")
        return True

    def _have_kept(self, connection: Connection) -> tuple[bytes, list[int]]:
        """Hand a connection over; give the last that the keeper says of it, or nothing.

        Raises:
            OSError: It was not handed over.
        """
        end, theirs = _pair()
        try:
            try:
                keeper = self._ask_for_one(theirs)
            finally:
                theirs.close()
            try:
                answers = select.poll()
                answers.register(end, select.POLLIN)
                if not answers.poll(_SOON):
                    keeper.missed += 1
                    raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
                keeper.missed = 0
                if end.recv(1) != _READY:
                    raise OSError(errno.EPIPE, os.strerror(errno.EPIPE))
                _send(end, b"\0", connection.fileno())
                return _receive(end)
            finally:
                with self._lock:
                    keeper.kept -= 1
        finally:
            end.close()

    def _ask_for_one(self, end: socket.socket) -> _Keeper:
        """Have a keeper say at this end that it is ready for a connection; give which."""
        with self._lock:
            while True:
                number, keeper = self._freest()
                try:
                    _send(keeper.channel, b"\0", end.fileno())
                except ConnectionError:  # it has ended: try another
                    del self._keepers[number]
                else:
                    keeper.kept += 1
                    return keeper

    def _freest(self) -> tuple[int, _Keeper]:
        """Find the keeper that keeps the fewest; while all keep some, have another one forked."""
        if len(self._keepers) < COUNT and all(one.load for one in self._keepers.values()):
            number = next(n for n in range(1, COUNT + 1) if n not in self._keepers)
            channel, theirs = _pair()
            try:
                _send(self._orders, bytes((number,)), theirs.fileno())
                self._keepers[number] = _Keeper(channel)
            except ConnectionError:  # none can be forked any more
                if not self._keepers:
                    raise
            finally:
                theirs.close()
        return min(self._keepers.items(), key=lambda item: item[1].load)


def _pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _send(channel: socket.socket, message: bytes, descriptor: int) -> None:
    """Send a message with a descriptor; an error if there is no room for it."""
    passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", descriptor))]
    channel.sendmsg([message], passed, socket.MSG_DONTWAIT)


def _receive(channel: socket.socket) -> tuple[bytes, list[int]]:
    """Receive a message and the descriptors that came with it, if all do. No message at the end."""
    message, ancillary, result_flags, _ = channel.recvmsg(
        _SIZE_MAX, _ANCILLARY_SIZE, socket.MSG_CMSG_CLOEXEC
    )
    passed = [fd for _, _, data in ancillary for (fd,) in struct.iter_unpack("i", data)]
    if result_flags & socket.MSG_CTRUNC:  # this process has as many open as it may
        while passed:
            os.close(passed.pop())
    return message, passed


def _fork_on_order(orders: socket.socket, live_as: Callable[[int, socket.socket], None]) -> None:
    """Fork a keeper for each order, until the process that gives them is gone."""
    while True:
        message, passed = _receive(orders)
        if not message:
            return
        for fd in passed:
            channel = socket.socket(fileno=fd)
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

    def keep(end: socket.socket) -> None:
        try:
            end.send(_READY)
            message, passed = _receive(end)
            if passed:
                connected = socket.socket(fileno=passed[0])
                connection = Connection(connected, device, events, is_kept=True)
                connection.keep(request_timeout)
                _give_back(connection, end)
            elif message:  # but this process has as many descriptors open as it may
                end.send(_IDLE)
        except OSError:  # the process that waits for it is gone, and this one is about to go
            pass
        finally:
            end.close()

    while True:
        message, passed = _receive(channel)
        if not message:
            return
        for fd in passed:
            end = socket.socket(fileno=fd)
            try:
                start_new_thread(keep, (end,))
            except (RuntimeError, MemoryError):  # whoever does not hear that it is ready, goes on
                end.close()


def _give_back(connection: Connection, end: socket.socket) -> None:
    """Say what became of a connection, once this process has none of it any more."""
    connection.close()
    if connection.left_over:
        request, descriptor = connection.left_over
        _send(end, _LEFT_OVER + request.cdb + request.data_out, descriptor)
        os.close(descriptor)
    else:
        end.send(_ENDED if connection.ended else _IDLE if connection.is_slow else _FAST)
