"""Serving clients: a thread for each, and one that accepts them and never waits for any.

The thread that accepts does nothing for a client that may block: it reads nothing, and closes no
socket, since descriptors may be under way in it. So no client keeps another from connecting, or
the helper from stopping.
"""

import os
import resource
import select
import socket
from _thread import stack_size, start_new_thread
from argparse import Namespace
from collections import Counter
from time import monotonic

from qemu_pr.devices import Device
from qemu_pr.helper.carry_out import Client
from qemu_pr.helper.connection import Connection
from qemu_pr.helper.events import Events

STOP_BOUND = 35.0
"""How long a stop waits for commands in flight, in seconds: the kernel gives a disk 30."""

CLOSE_BOUND = 1.0
"""How long a stop waits for descriptors that do not close, in seconds."""

STOP = b"s"
"""What tells a process that serves to stop; told again, it abandons what is left."""

_PAUSE = 100  # milliseconds, when the system has no thread or descriptor for a client
_LOOK = 10  # milliseconds between two looks at what is left, during a stop
_STACK_SIZE = 256 * 1024  # bytes of address space; no thread goes deep
_OF_A_CONNECTION = 3  # descriptors: its socket, and two that came with a request
_OTHER_DESCRIPTORS = 64
_MOST_HANGING = 4096  # connections of a user that were told to end, and do not


def serve(
    listening: socket.socket,
    device: Device,
    control: socket.socket,
    events: Events,
    settings: Namespace,
) -> int:
    """Serve clients until told to stop; then finish the commands that are carried out.

    Args:
        listening: Where clients come from; it does not block.
        device: What carries their commands out, in any thread.
        control: Brings `STOP`; its end means that the process which started this one is gone.
        events: Where to report what happens.
        settings: The options ``max_connections``, ``allow_user`` and ``request_timeout``.

    Returns:
        0 if all commands were finished, 1 if some were abandoned: `STOP` came again, or
        `STOP_BOUND` was over.
    """
    stack_size(_STACK_SIZE)
    server = _Server(listening, device, events, settings)
    both, alone = _poller(control, listening), _poller(control)
    while control.fileno() not in dict(both.poll()):
        while not server.accept() and not alone.poll(_PAUSE):
            pass  # until the system has what it takes
    control.recv(1)
    return server.stop(alone)


def _poller(*sockets: socket.socket) -> select.poll:
    poller = select.poll()
    for one in sockets:
        poller.register(one, select.POLLIN)
    return poller


class _Server:
    """The connections, and what keeps them within bounds."""

    def __init__(
        self, listening: socket.socket, device: Device, events: Events, settings: Namespace
    ) -> None:
        self._listening = listening
        self._device = device
        self._events = events
        self._settings = settings
        self._most = _fitting_descriptors(settings.max_connections)
        self._connections: dict[Connection, None] = {}  # the oldest first
        self._next: Connection | None = None  # there is no thread for it yet
        self._turned_away: list[Connection] = []
        self._has_closer = False
        self._crowd = 0  # the process that had to make room last
        self._is_refused = False  # the system had nothing for the last client

    def accept(self) -> bool:
        """Serve the next client; False if the system has nothing for it at the moment."""
        try:
            if self._next is None:
                connected, _ = self._listening.accept()
                connection = Connection(connected, self._device, self._events, self._settings)
                if not self._is_welcome(connection.client):
                    self._turn_away(connection)
                    return True
                self._make_room()
                self._next = connection
                self._connections[connection] = None
            start_new_thread(self._live, (self._next,))
        except BlockingIOError:  # another process was faster
            return True
        except (OSError, RuntimeError, MemoryError) as error:
            if not self._is_refused:
                self._events("pr_helper_accept_fail", getattr(error, "strerror", None) or error)
            self._is_refused = True
            return False
        self._next = None
        self._is_refused = False
        return True

    def stop(self, control: select.poll) -> int:
        """Finish all commands; see `serve`."""
        if self._next:
            del self._connections[self._next]
        self._events("pr_helper_stop", len(self._connections))
        for connection in list(self._connections):
            connection.finish()
        try:
            start_new_thread(self._listening.close, ())  # may block: clients wait in it
        except RuntimeError:
            pass
        began = monotonic()
        while self._connections:
            is_told = bool(control.poll(_LOOK))
            waited = monotonic() - began
            unanswered = sum(not one.is_closing for one in list(self._connections))
            if not unanswered and (is_told or waited > CLOSE_BOUND):
                break
            if is_told:
                self._events("pr_helper_abandon", unanswered)
                return 1
            if waited > STOP_BOUND:
                self._events("pr_helper_overdue", STOP_BOUND, unanswered)
                return 1
        return 0

    def _live(self, connection: Connection) -> None:
        try:
            connection.live()
        except MemoryError:  # nor is there any to report it; the connection is closed
            pass
        finally:
            del self._connections[connection]

    def _make_room(self) -> None:
        """Finish the oldest connection of the process that has most, of the user who has most.

        So whoever connects without end is in nobody's way but its own, and a client that loses its
        connection all the same connects again.
        """
        connections = [one for one in list(self._connections) if not one.is_finished]
        if len(connections) < self._most:
            return
        user, _ = Counter(one.client.user for one in connections).most_common(1)[0]
        of_user = [(one, _holder(one)) for one in connections if one.client.user == user]
        crowd, count = Counter(holder for _, holder in of_user).most_common(1)[0]
        if crowd != self._crowd:
            self._crowd = crowd
            self._events("pr_helper_crowd", crowd, count, self._most)
        next(one for one, holder in of_user if holder == crowd).finish()

    def _is_welcome(self, newcomer: Client) -> bool:
        """Tell whether not too many from the same side were finished, and hang in closing."""
        hanging = [one.client for one in list(self._connections) if one.is_finished]
        of_user = [one for one in hanging if one.user == newcomer.user]
        of_process = [one for one in of_user if one.process == newcomer.process]
        return len(of_process) < self._most and len(of_user) < _MOST_HANGING

    def _turn_away(self, connection: Connection) -> None:
        """Close a connection, in one thread for all of these: each may wait for the one before."""
        connection.finish()
        self._turned_away.append(connection)
        if not self._has_closer:
            start_new_thread(self._close_turned_away, ())
            self._has_closer = True

    def _close_turned_away(self) -> None:
        while self._turned_away:
            self._turned_away.pop().live()
        self._has_closer = False


def _holder(connection: Connection) -> int:
    """Give the process that counts as having a connection; 0 for all that ended since.

    A process can leave its connections to another, as a child to its parent.
    """
    process = connection.client.process
    return process if os.path.exists(f"/proc/{process}") else 0


def _fitting_descriptors(connections: int) -> int:
    """Have the system allow the descriptors for so many connections, or give how many it allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections * _OF_A_CONNECTION + _OTHER_DESCRIPTORS
    if soft < needed:
        soft = min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(connections, (soft - _OTHER_DESCRIPTORS) // _OF_A_CONNECTION))
