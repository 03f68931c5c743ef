"""The first process of a helper: it has no clients, so nothing of theirs keeps it from ending.

A process ends only when all of its threads have. One that is in the kernel for a client, with a
disk that hangs or a descriptor that does not close, can stay there as long as the client likes. So
clients are served by a process of their own, and whoever stops the helper waits for this one.
"""

import math
import os
import select
import signal
import socket
from collections.abc import Callable
from time import monotonic

from qemu_pr.forked import STOP_SIGNALS
from qemu_pr.helper.events import Events
from qemu_pr.helper.serve import STOP, STOP_BOUND

_GRACE = 5.0  # seconds that the serving process has beyond its own bound


class StopSignals:
    """From its creation on, the stop signals only count up here. One a process, main thread."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            signal.signal(number, lambda *_: None)  # only the byte that Python writes counts

    def fileno(self) -> int:
        """The descriptor that is readable when one came."""
        return self._reader

    def count(self) -> int:
        """Tell how many came since the last call; one at least."""
        return len(os.read(self._reader, 4096))


def supervise(
    signals: StopSignals, server: socket.socket, events: Events, stopping: Callable[[], None]
) -> int:
    """Wait until the process that serves has ended; tell it of stop signals.

    Args:
        signals: The signals.
        server: Takes `STOP`, and brings the exit status as a byte when all is finished.
        events: Where to report that it ended by itself.
        stopping: What to do at a signal before clients are told.

    Returns:
        The exit status: 0, or 1 if commands were abandoned or the process ended by itself.
    """
    poller = select.poll()
    poller.register(signals, select.POLLIN)
    poller.register(server, select.POLLIN)
    deadline = math.inf
    while monotonic() < deadline:
        patience = None if deadline == math.inf else (deadline - monotonic()) * 1000
        ready = {fd for fd, _ in poller.poll(patience)}
        if server.fileno() in ready:
            if status := server.recv(1):
                return status[0]
            events("pr_helper_server_end")
            return 1
        if signals.fileno() in ready:
            stopping()
            deadline = min(deadline, monotonic() + STOP_BOUND + _GRACE)
            _tell(server, STOP * signals.count())
    return 1


def _tell(server: socket.socket, message: bytes) -> None:
    try:
        server.send(message, socket.MSG_DONTWAIT)
    except OSError:  # it has just ended, which it tells in the same way
        pass
