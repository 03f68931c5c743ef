"""The process without privileges that writes the audit log and the metrics.

To describe, format and write takes more code than to carry commands out. None of it is loaded into
the process that serves clients and has privileges: that one tells what happened, no more.
"""

import marshal
import select
import socket
from argparse import Namespace

from qemu_pr.forked import fork
from qemu_pr.helper import StartError, privileges
from qemu_pr.helper.audit.trail import NUMBER, Trail
from qemu_pr.helper.counters import Counters
from qemu_pr.helper.daemonize import detach
from qemu_pr.helper.events import Events

_READY = b"\0"
_END = b""
_MESSAGE_SIZE = 65536  # bytes; parameter list, path and what /proc had take less
_PATIENCE = 2000  # milliseconds, for the last metrics


class Recorder:
    """That process, seen from those that have it record. Forks: one thread only.

    Args:
        settings: The options for the audit log and the metrics, ``user``, ``group`` and ``daemon``.
        events: What reports; all that is reported from now on is recorded.

    Raises:
        StartError: A file cannot be written, or the system refuses another process.

    Attributes:
        process: Its process ID.
    """

    def __init__(self, settings: Namespace, events: Events) -> None:
        self._channel, channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        counters = Counters(events) if settings.metrics else None

        def live() -> int:
            self._channel.close()
            return _record(channel, counters, settings, events)

        try:
            self.process = fork("qemu-pr-record", live)
        except OSError as error:
            raise StartError(f"cannot start the process that records: {error.strerror}") from None
        channel.close()
        if (told := self._channel.recv(_MESSAGE_SIZE)) != _READY:
            raise StartError(told.decode() or "the process that records ended at once")
        if settings.audit:
            Trail(self._channel, events)

    def finish(self) -> None:
        """Have the last metrics written, and wait for that."""
        try:
            self._channel.send(_END)
        except OSError:  # it has ended by itself
            return
        poller = select.poll()
        poller.register(self._channel, 0)  # its end is told all the same
        poller.poll(_PATIENCE)


def _record(
    channel: socket.socket, counters: Counters | None, settings: Namespace, events: Events
) -> int:
    """Write all that is told, until nobody is left to tell something."""
    # In this process alone; and now, since the user who serves may not read Python's files.
    from qemu_pr.helper.audit.log_file import LogFile
    from qemu_pr.helper.audit.record import describe, renderer
    from qemu_pr.helper.metrics import MetricsFile

    log = metrics = None
    try:
        if settings.audit:
            log = LogFile(settings.audit, events)
            render = renderer(settings.audit_format, settings.audit)
        privileges.drop(settings.user, settings.group, kept=())
        if counters:
            metrics = MetricsFile(settings.metrics, settings.metrics_interval, counters, events)
            metrics.start()
    except (StartError, RuntimeError) as error:
        channel.send(str(error).encode())
        return 1
    channel.send(_READY)
    if settings.daemon:
        detach()
    while message := channel.recv(_MESSAGE_SIZE):
        lost, record = marshal.loads(message[NUMBER.size :])
        if log:
            log.lost += lost
            log.append(render(describe(record, log.lost)))
        channel.send(message[: NUMBER.size])
    if metrics:
        metrics.stop()
    return 0
