"""Serving clients: one thread polls and carries out commands, and a slow disk gets its own.

The life of a thread has three parts. First it stands by. When the thread that polls is held up by a
disk, or finds a connection whose disk is known to be slow, the one that stands by takes over the
polling, and starts the next one to stand by. And when it is itself held up, it keeps the connection
that held it up, or has another process keep it (`qemu_pr.helper.keepers`), and ends when that is
fast again, idle, or closed. So two threads serve fast disks, and there is one more for each disk
that is slow at the moment.
"""

from __future__ import annotations

import _socket as socket  # without enum
import os
import resource
import select
import sys
from _thread import start_new_thread
from time import monotonic

from qemu_pr.helper import StartError
from qemu_pr.helper.baton import SWITCH, Baton
from qemu_pr.helper.connection import Connection
from qemu_pr.helper.stop_signals import StopSignals, block_in_this_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from qemu_pr.devices import Device
    from qemu_pr.helper.events import Events
    from qemu_pr.helper.keepers import Keepers
    from qemu_pr.helper.listen import Listener

DEFAULT_CONNECTIONS = 4096
DEFAULT_REQUEST_TIMEOUT = 30

_ALERT = 150e-6  # seconds from the beginning of a command on
_PAUSE_AFTER_ACCEPT_ERROR = 0.1  # seconds
_OF_A_CONNECTION = 2  # descriptors: its socket, and the disk of a request that came half
_OTHER_DESCRIPTORS = 64


def serve(
    listener: Listener,
    device: Device,
    stop: StopSignals,
    events: Events,
    connections: int = DEFAULT_CONNECTIONS,
    request_timeout: float = DEFAULT_REQUEST_TIMEOUT,
    allowed_users: Container[int] | None = None,
    keepers: Keepers | None = None,
) -> bool:
    """Serve clients until a stop signal comes; then close the listener and finish all commands.

    A command that the kernel does not let go of can take forever: then a second signal ends the
    wait. The process itself stays in the process table until the kernel does.

    Args:
        listener: Where clients come from; closed on return.
        device: What carries their commands out, in any thread.
        stop: The signals.
        events: Where to report what happens.
        connections: How many to keep; further ones take the place of older ones.
        request_timeout: How long a client may take to send a request, in seconds.
        allowed_users: The IDs of the users who may connect; None: all who reach the socket.
        keepers: The processes that keep connections whose disk is slow for long; None: none do.

    Returns:
        Whether all commands were finished; False if a second signal came first, or the helper has
        a defect.

    Raises:
        StartError: The system gives this process no further thread.
    """
    server = _Server(
        listener,
        device,
        stop,
        events,
        _fitting_descriptors(connections),
        request_timeout,
        allowed_users,
        keepers,
    )
    sys.setswitchinterval(SWITCH)
    server.start()
    while not stop.wait():
        if server.has_failed:
            return False
    server.stop()
    while not server.is_over:
        if stop.wait() or server.has_failed:
            events("pr_helper_abandon", len(server.connections))
            return False
    return True


def _fitting_descriptors(connections: int) -> int:
    """Have the system allow the descriptors for so many connections, or give how many it allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections * _OF_A_CONNECTION + _OTHER_DESCRIPTORS
    if soft < needed:
        soft = min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(connections, (soft - _OTHER_DESCRIPTORS) // _OF_A_CONNECTION))


class _Server:
    """What the threads share.

    Attributes:
        connections: The open ones by descriptor, the oldest first.
        is_over: Whether it was stopped, and all connections have ended.
        has_failed: Whether there was an error that must not be.
    """

    def __init__(
        self,
        listener: Listener,
        device: Device,
        stop: StopSignals,
        events: Events,
        most_connections: int,
        request_timeout: float,
        allowed_users: Container[int] | None,
        keepers: Keepers | None,
    ) -> None:
        self.connections: dict[int, Connection] = {}
        self.is_over = False
        self.has_failed = False
        self._listener = listener
        self._device = device
        self._stop = stop
        self._events = events
        self._most_connections = most_connections
        self._request_timeout = request_timeout
        self._allowed_users = allowed_users
        self._keepers = keepers
        self._baton = Baton()
        self._last_ready: list[tuple[int, int]] = []
        self._is_alone = False  # one client sent the last commands
        self._has_standby = False
        self._lacks_threads = False
        self._at: Connection | None = None  # what the baton was laid down for
        self._half_sent: dict[Connection, None] = {}  # of those that are polled, the longest first
        self._overloaded = False
        self._accept_again: float = 0.0  # the time, while no connection can be had
        self._crowd = 0  # the process that had to make room last
        self._stopping = False
        self._stopped = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll = select.epoll()
        self._epoll.register(self._stopped, select.EPOLLIN)
        self._epoll.register(listener.socket, select.EPOLLIN)

    def start(self) -> None:
        """Start the thread that polls."""
        if not self._recruit():
            raise StartError("the system allows no further thread; see ulimit -u")

    def stop(self) -> None:
        """Have the thread that polls take no further clients, and finish all commands."""
        os.eventfd_write(self._stopped, 1)

    # The life of a thread

    def _live(self) -> None:
        block_in_this_thread()
        taken = self._baton.wait()
        self._has_standby = False
        if taken and self._at:
            self._part_with(self._at)
            taken.release()
        try:
            self._recruit()
            if kept := self._poll():
                self._keep(kept)
        except Exception as error:  # a defect: better none than a helper that does not poll
            self._events("pr_helper_fail", repr(error))
            self.has_failed = True
            self._stop.wake()

    def _recruit(self) -> bool:
        """Have a thread standing by; False if the system gives none."""
        if not self._has_standby:
            self._has_standby = True
            try:
                start_new_thread(self._live, ())
                self._lacks_threads = False
            except (RuntimeError, MemoryError) as error:
                self._has_standby = False
                if not self._lacks_threads:
                    self._events("pr_helper_thread_fail", error)
                self._lacks_threads = True
        return self._has_standby

    def _poll(self) -> Connection | None:
        """Advance connections until one holds this thread up; give that one."""
        while not self.is_over:
            for fd, _ in self._ready():
                connection = self.connections.get(fd)
                if connection is None:
                    self._poll_other(fd)
                elif connection.is_slow and self._pass_on(connection):
                    return connection
                else:
                    self._at = connection
                    laid_down = self._baton.lay_down()
                    connection.advance(wait=False)
                    if not self._baton.pick_up(laid_down):
                        connection.count_as_slow()
                        return connection
                    if connection.ended or connection.half_sent_since or self._half_sent:
                        self._look_after(connection)
        return None

    def _ready(self) -> list[tuple[int, int]]:
        """Wait for clients; give the descriptors where there is something to do.

        A client that is alone often sends its next command at once. To look for it for a while
        costs both sides less time than to be woken.
        """
        patience = self._patience() if self._half_sent or self._accept_again else None
        while self._is_alone and monotonic() - self._baton.laid_down_at < _ALERT:
            if ready := self._epoll.poll(0):
                break
            os.sched_yield()
        else:
            ready = self._epoll.poll(patience)
        self._is_alone = ready == self._last_ready
        self._last_ready = ready
        return ready

    def _keep(self, connection: Connection) -> None:
        """Advance a connection that is not polled, as long as it is slow."""
        while connection.keep(self._request_timeout):
            if self._keepers and self._keepers.keep(connection):
                break
        if connection.ended:
            self._close(connection)
        else:
            self._epoll.register(connection, select.EPOLLIN)

    # What the polling thread does

    def _pass_on(self, connection: Connection) -> bool:
        """Leave the polling to the thread that stands by, and a connection to this one.

        Returns:
            False if there is no other thread.
        """
        if not self._recruit():
            return False
        self._part_with(connection)
        self._baton.pass_on()
        return True

    def _look_after(self, connection: Connection) -> None:
        if connection.ended:
            self._half_sent.pop(connection, None)
            self._close(connection)
        elif connection.half_sent_since:
            self._half_sent[connection] = None
        else:
            self._half_sent.pop(connection, None)

    def _part_with(self, connection: Connection) -> None:
        """Leave a connection to the thread that keeps it."""
        self._half_sent.pop(connection, None)
        try:
            self._epoll.unregister(connection)
        except (OSError, ValueError):  # that thread has closed it by now
            pass

    def _close(self, connection: Connection) -> None:
        del self.connections[connection.fileno()]
        connection.close()
        self._end_if_over()

    def _patience(self) -> float | None:
        """Do what the time has come for; give the seconds until there is more of that."""
        now = monotonic()
        pause = None
        if self._accept_again:
            pause = self._accept_again - now
            if pause <= 0:
                pause, self._accept_again = None, 0.0
                self._epoll.register(self._listener.socket, select.EPOLLIN)
        while self._half_sent:
            connection = next(iter(self._half_sent))
            left = connection.refuse_if_late(self._request_timeout, now)
            if left > 0:
                return left if pause is None else min(left, pause)
            del self._half_sent[connection]
            self._close(connection)
        return pause

    def _poll_other(self, fd: int) -> None:
        if fd == self._stopped:
            self._epoll.unregister(fd)
            self._finish()
        elif not self._stopping:
            self._accept()

    def _finish(self) -> None:
        if not self._accept_again:
            self._epoll.unregister(self._listener.socket)
        self._accept_again = 0.0
        self._listener.close()
        self._events("pr_helper_stop", len(self.connections))
        self._stopping = True
        for connection in list(self.connections.values()):
            connection.finish()
        self._end_if_over()

    def _end_if_over(self) -> None:
        if self._stopping and not self.connections:
            self.is_over = True
            self._stop.wake()

    def _accept(self) -> None:
        try:
            fd, _ = self._listener.socket._accept()  # type: ignore[attr-defined]
        except BlockingIOError:  # another process was faster
            return
        except OSError as error:  # out of descriptors, most likely
            if not self._overloaded:
                self._events("pr_helper_accept_fail", error.strerror)
            self._overloaded = True
            self._epoll.unregister(self._listener.socket)
            self._accept_again = monotonic() + _PAUSE_AFTER_ACCEPT_ERROR
            return
        self._overloaded = False
        connected = socket.socket(fileno=fd)
        try:
            connection = Connection(connected, self._device, self._events)
            connection.greet(self._allowed_users)
        except OSError:  # it may not connect, or went away
            connected.close()
            return
        if len(self.connections) >= self._most_connections:
            self._make_room()
        self.connections[connection.fileno()] = connection
        self._half_sent[connection] = None
        self._epoll.register(connection, select.EPOLLIN)

    def _make_room(self) -> None:
        """Finish the oldest connection of the process that has most of them.

        So whoever connects without end is in nobody's way but its own, and a client that loses its
        connection all the same connects again.
        """
        staying = [one for one in list(self.connections.values()) if not one.is_finished]
        counts: dict[int, int] = {}
        for connection in staying:
            counts[connection.client] = counts.get(connection.client, 0) + 1
        if not counts:
            return
        crowd = max(counts, key=counts.__getitem__)
        if crowd != self._crowd:
            self._crowd = crowd
            self._events("pr_helper_crowd", crowd, counts[crowd], self._most_connections)
        next(one for one in staying if one.client == crowd).finish()
