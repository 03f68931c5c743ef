"""From start to stop: the order in which a helper takes, uses and gives back what it needs."""

from __future__ import annotations

import os
import resource

from qemu_pr.helper import StartError, devices, listen, privileges
from qemu_pr.helper.keepers import Keepers
from qemu_pr.helper.server import DEFAULT_CONNECTIONS, DEFAULT_REQUEST_TIMEOUT, serve
from qemu_pr.helper.stop_signals import StopSignals
from qemu_pr.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from qemu_pr.devices.isolated import Isolated
    from qemu_pr.helper.events import Events
    from qemu_pr.helper.listen import Listener
    from qemu_pr.helper.metrics import Metrics

DEFAULT_SOCKET = "/var/run/qemu-pr-helper.sock"
DEFAULT_PID_FILE = "/var/run/qemu-pr-helper.pid"
DEFAULT_METRICS_INTERVAL = 15
AUDIT_FORMATS = ("text", "json")


class Settings(Value):
    """How to run.

    Attributes:
        socket: Path of the socket to create; None if the choice is ours (or systemd's).
        pid_file: Path of the pid file, or None for none.
        daemon: Whether to go on in the background.
        user: User ID to change to, or None.
        group: Group ID to change to, or None.
        simulation: Whether regular files are simulated disks, and how.
        multipath: Whether commands on a multipath map go to all its paths.
        max_connections: How many to keep; see `serve`.
        request_timeout: How long a client may take to send a request, in seconds.
        allowed_users: The IDs of the users who may connect; None: all who reach the socket.
        audit: Path of the audit log, ``-`` for standard error, or None for none.
        audit_format: One of `AUDIT_FORMATS`.
        metrics: Path of the file for metrics, or None for none.
        metrics_interval: After how many seconds it is written anew.
    """

    __slots__ = (
        "allowed_users",
        "audit",
        "audit_format",
        "daemon",
        "group",
        "max_connections",
        "metrics",
        "metrics_interval",
        "multipath",
        "pid_file",
        "request_timeout",
        "simulation",
        "socket",
        "user",
    )

    def __init__(
        self,
        *,
        socket: str | None = None,
        pid_file: str | None = None,
        daemon: bool = False,
        user: int | None = None,
        group: int | None = None,
        simulation: devices.Simulation | None = None,
        multipath: bool = True,
        max_connections: int = DEFAULT_CONNECTIONS,
        request_timeout: float = DEFAULT_REQUEST_TIMEOUT,
        allowed_users: Container[int] | None = None,
        audit: str | None = None,
        audit_format: str = AUDIT_FORMATS[0],
        metrics: str | None = None,
        metrics_interval: float = DEFAULT_METRICS_INTERVAL,
    ) -> None:
        self.socket = socket
        self.pid_file = pid_file
        self.daemon = daemon
        self.user = user
        self.group = group
        self.simulation = simulation
        self.multipath = multipath
        self.max_connections = max_connections
        self.request_timeout = request_timeout
        self.allowed_users = allowed_users
        self.audit = audit
        self.audit_format = audit_format
        self.metrics = metrics
        self.metrics_interval = metrics_interval


def run(settings: Settings, events: Events) -> int:
    """Start, serve, stop.

    Args:
        settings: How.
        events: Where to report what happens.

    Returns:
        The exit status: 0, or 1 if a second signal cut commands short.

    Raises:
        StartError: It could not start; nothing is left behind.
    """
    cleanups: list[Callable[[], None]] = []
    try:
        listener = listen.activated(events)
        if listener and settings.socket:
            raise StartError("Unix socket can't be set when using socket activation")
        make_device = devices.prepare(settings.simulation)
        ready = None
        if settings.daemon:
            from qemu_pr.helper.daemonize import daemonize

            ready = daemonize()
        # Before there are threads and files to inherit, and with the privilege that it needs more.
        maps = None
        if settings.multipath:
            maps = devices.isolate_maps(lambda: _prepare_for_maps(settings))
        stop = StopSignals()
        # The pid file first: whoever cannot have it must not touch the socket.
        if settings.pid_file:
            from qemu_pr.helper.pid_file import PidFile

            cleanups.append(PidFile(os.path.abspath(settings.pid_file), events).remove)
        if settings.metrics is not None:
            from qemu_pr.helper import metrics  # the user who serves may not read Python's files
        if settings.audit is not None:
            from qemu_pr.helper import audit

            audit.start(settings.audit, settings.audit_format, events)
        listener = listener or listen.listen(settings.socket or DEFAULT_SOCKET, events)
        cleanups.append(listener.close)
        events("pr_helper_listen", listener.path or "the socket that systemd passed")
        privileges.drop(settings.user, settings.group)
        device = make_device(maps)
        file = None
        if settings.metrics is not None:
            file = metrics.MetricsFile(settings.metrics, settings.metrics_interval, events)
            cleanups.append(file.stop)
        keepers = None
        if settings.simulation is None:  # a simulated disk is no slower than its process
            counted = file.metrics if file else None
            keepers = _start_keepers(settings, listener, maps, counted, events)
        if file:
            file.start()
        if ready:
            ready()
        limits = (settings.max_connections, settings.request_timeout, settings.allowed_users)
        return 0 if serve(listener, device, stop, events, *limits, keepers) else 1
    finally:
        for clean_up in reversed(cleanups):
            clean_up()


def _start_keepers(
    settings: Settings,
    listener: Listener,
    maps: Isolated | None,
    metrics: Metrics | None,
    events: Events,
) -> Keepers:
    def prepare() -> None:
        listener.socket.close()  # whoever stops the helper wants its socket gone
        if maps:
            maps.leave()
        _detach_daemon(settings)

    def begin(number: int) -> None:
        if metrics:
            metrics.count_apart(number)

    try:
        return Keepers(devices.disks(), events, settings.request_timeout, prepare, begin)
    except OSError as error:
        raise StartError(f"cannot start the process for slow disks: {error.strerror}") from None


def _prepare_for_maps(settings: Settings) -> None:
    _raise_descriptor_limit()
    privileges.drop(
        settings.user, settings.group, (privileges.CAP_SYS_RAWIO, privileges.CAP_SYS_ADMIN)
    )
    _detach_daemon(settings)


def _detach_daemon(settings: Settings) -> None:
    """Let go of the terminal in a process that was forked before the daemon itself did."""
    if settings.daemon:
        from qemu_pr.helper.daemonize import detach

        detach()


def _raise_descriptor_limit() -> None:
    """Give libmpathpersist the limit it wants; without, it writes a line for every command."""
    try:
        with open("/proc/sys/fs/nr_open") as file:
            highest = int(file.read())
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest, highest))
    except (OSError, ValueError):  # not permitted: the line in the log does no harm
        pass
