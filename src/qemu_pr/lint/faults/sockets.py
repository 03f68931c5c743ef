"""Faults in the path of the helper's socket."""

import os
from collections.abc import Iterator

from qemu_pr.command_line.model import DEFAULT_SOCKET, SOCKET_PATH_MAX
from qemu_pr.host.paths import plain
from qemu_pr.lint.command import MANAGER, Change, Command, FaultyPlace, excerpt, is_unknown


def path(command: Command) -> Iterator[FaultyPlace]:
    """Find sockets whose path is missing, relative or too long."""
    socket = min(command.sockets, default=DEFAULT_SOCKET)
    for manager in command.of("object"):
        if manager.properties.get("qom-type") != MANAGER:
            continue
        given = manager.properties.get("path")
        if given is None and any(value.startswith("/") for value in manager.properties.values()):
            continue  # it has another key
        if given is None or not (given.startswith("/") or is_unknown(given)):
            what = f"{excerpt(manager)}: " + ("no path" if given is None else f"path={given}")
            known = given is None or os.path.basename(given) == os.path.basename(socket)
            remedies = (Change(manager, "path", "path", socket),) if known else ()
            yield FaultyPlace(manager.argument.line, what, remedies)
        elif len(os.fsencode(given)) > SOCKET_PATH_MAX:
            yield FaultyPlace(manager.argument.line, f"{excerpt(manager)}: path={given}")


def other(command: Command) -> Iterator[FaultyPlace]:
    """Find sockets that no helper of the same text listens on."""
    listening = {plain(socket) for socket in command.sockets}
    for manager in command.managers.values():
        given = manager.properties.get("path", "")
        if not given.startswith("/") or is_unknown(given):
            continue
        if listening and plain(given) not in listening:
            what = f"{excerpt(manager)}: path={given}, and the helper has {min(command.sockets)}"
            only = sorted(command.sockets) if len(listening) == 1 else []
            remedies = tuple(Change(manager, "path", "path", socket) for socket in only[:1])
            yield FaultyPlace(manager.argument.line, what, remedies)
