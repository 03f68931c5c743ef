"""From start to stop: the order in which a helper takes, uses and gives back what it needs."""

import os
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial

from qemu_pr.helper import StartError, devices, listen, privileges
from qemu_pr.helper.daemonize import daemonize, detach
from qemu_pr.helper.events import Events
from qemu_pr.helper.pid_file import PidFile
from qemu_pr.helper.server import serve
from qemu_pr.helper.stop_signals import StopSignals

DEFAULT_SOCKET = "/var/run/qemu-pr-helper.sock"
DEFAULT_PID_FILE = "/var/run/qemu-pr-helper.pid"


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run.

    Attributes:
        socket: Path of the socket to create; None if the choice is ours (or systemd's).
        pid_file: Path of the pid file, or None for none.
        daemon: Whether to go on in the background.
        user: User ID to change to, or None.
        group: Group ID to change to, or None.
        simulation: Whether regular files are simulated disks, and how.
        multipath: Whether commands on a multipath map go to all its paths.
    """

    socket: str | None = None
    pid_file: str | None = None
    daemon: bool = False
    user: int | None = None
    group: int | None = None
    simulation: devices.Simulation | None = None
    multipath: bool = True


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
    with ExitStack() as cleanup:
        listener = listen.activated(events)
        if listener and settings.socket:
            raise StartError("Unix socket can't be set when using socket activation")
        make_device = devices.prepare(settings.simulation)
        ready = daemonize() if settings.daemon else None
        # Before there are threads and files to inherit, and with the privilege that it needs more.
        maps = (
            devices.isolate_maps(partial(_prepare_for_maps, settings))
            if settings.multipath
            else None
        )
        stop = StopSignals()
        # The pid file first: whoever cannot have it must not touch the socket.
        if settings.pid_file:
            cleanup.callback(PidFile(os.path.abspath(settings.pid_file), events).remove)
        listener = listener or listen.listen(settings.socket or DEFAULT_SOCKET, events)
        cleanup.callback(listener.close)
        events("pr_helper_listen", listener.path or "the socket that systemd passed")
        privileges.drop(settings.user, settings.group)
        device = make_device(maps)
        if ready:
            ready()
        return 0 if serve(listener, device, stop, events) else 1


def _prepare_for_maps(settings: Settings) -> None:
    _raise_descriptor_limit()
    privileges.drop(
        settings.user, settings.group, (privileges.CAP_SYS_RAWIO, privileges.CAP_SYS_ADMIN)
    )
    if settings.daemon:
        detach()


def _raise_descriptor_limit() -> None:
    """Give libmpathpersist the limit it wants; without, it writes a line for every command."""
    import resource  # here only, so that the helper starts quickly

    with suppress(OSError, ValueError):
        with open("/proc/sys/fs/nr_open") as file:
            highest = int(file.read())
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest, highest))
