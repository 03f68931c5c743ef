"""From start to stop: the order in which a helper takes, uses and gives back what it needs.

A helper is some processes. The first takes all that is needed and then waits for signals; it forks
one that serves clients, and before, where they are asked for, one that carries out commands on
multipath maps and one that records::

    qemu-pr-helper      signals, pid file, the socket's file           (`supervise`)
      qemu-pr-serve     clients; CAP_SYS_RAWIO                         (`serve`)
      qemu-pr-maps      libmpathpersist; CAP_SYS_ADMIN, CAP_SYS_RAWIO  (`qemu_pr.devices.isolated`)
      qemu-pr-record    audit log and metrics; no capability           (`recorder`)
"""

import os
import resource
import signal
import socket
from argparse import Namespace
from collections.abc import Callable

from qemu_pr.devices import Device
from qemu_pr.forked import fork
from qemu_pr.helper import StartError, devices, listen, privileges
from qemu_pr.helper.events import Events
from qemu_pr.helper.serve import serve
from qemu_pr.helper.supervise import StopSignals, supervise

DEFAULT_SOCKET = "/var/run/qemu-pr-helper.sock"
DEFAULT_PID_FILE = "/var/run/qemu-pr-helper.pid"


def run(settings: Namespace, events: Events) -> int:
    """Start, serve, stop.

    Args:
        settings: The program's options.
        events: Where to report what happens.

    Returns:
        The exit status: 0, or 1 if commands were cut short.

    Raises:
        StartError: It could not start; nothing is left behind.
    """
    cleanups: list[Callable[[], None]] = []
    try:
        listener = listen.activated(events)
        if listener and settings.socket:
            raise StartError("Unix socket can't be set when using socket activation")
        make_device = devices.prepare(settings)
        ready = None
        if settings.daemon:
            from qemu_pr.helper.daemonize import daemonize

            ready = daemonize()
        # Before there are files to inherit, and with the privilege that it needs more.
        maps = None
        if not settings.no_multipath:
            maps = devices.isolate_maps(lambda: _prepare_for_maps(settings))
            cleanups.append(_killing(maps.process))
        signals = StopSignals()
        # The pid file first: whoever cannot have it must not touch the socket.
        if settings.pidfile:
            from qemu_pr.helper.pid_file import PidFile

            cleanups.append(PidFile(settings.pidfile, events).remove)
        if settings.audit or settings.metrics:
            from qemu_pr.helper.recorder import Recorder

            cleanups.append(Recorder(settings, events).finish)
        listener = listener or listen.listen(settings.socket or DEFAULT_SOCKET, events)
        cleanups.append(listener.close)
        events("pr_helper_listen", listener.path or "the socket that systemd passed")
        privileges.drop(settings.user, settings.group)
        process, server = _start_serving(listener.socket, make_device(maps), events, settings)
        cleanups.append(_killing(process))
        listener.socket.close()  # or clients could go on connecting to what nobody accepts from
        if maps:
            maps.leave()
        from qemu_pr.helper.started import tell

        tell(settings, events)
        if ready:
            ready()
        return supervise(signals, server, events, listener.close)
    finally:
        for clean_up in reversed(cleanups):
            clean_up()


def _start_serving(
    listening: socket.socket, device: Device, events: Events, settings: Namespace
) -> tuple[int, socket.socket]:
    """Fork the process that serves; give its ID, and what brings its exit status."""
    server, control = socket.socketpair()

    def live() -> int:
        server.close()
        _detach_daemon(settings)
        try:
            status = serve(listening, device, control, events, settings)
        except Exception as error:  # a defect: better none than a helper that does not accept
            events("pr_helper_fail", repr(error))
            status = 1
        events.tell_left_out()
        control.send(bytes((status,)))
        return status

    try:
        return fork("qemu-pr-serve", live), server
    except OSError as error:
        raise StartError(f"cannot start the process that serves: {error.strerror}") from None
    finally:
        control.close()


def _killing(process: int) -> Callable[[], None]:
    def kill() -> None:
        try:
            os.kill(process, signal.SIGKILL)
        except PermissionError:  # it is about to become this user, and ends with this process
            pass

    return kill


def _prepare_for_maps(settings: Namespace) -> None:
    _raise_descriptor_limit()
    privileges.drop(
        settings.user, settings.group, (privileges.CAP_SYS_RAWIO, privileges.CAP_SYS_ADMIN)
    )
    _detach_daemon(settings)


def _detach_daemon(settings: Namespace) -> None:
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
