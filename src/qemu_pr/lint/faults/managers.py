"""Faults in how disks and managers name each other."""

from collections import Counter
from collections.abc import Iterator

from qemu_pr.command_line.model import DEFAULT_SOCKET
from qemu_pr.command_line.options import Setting
from qemu_pr.lint.command import (
    MANAGER,
    Addition,
    Change,
    Command,
    Found,
    Remedy,
    excerpt,
    is_node,
    passes_through,
)


def on_format_node(command: Command) -> Iterator[Found]:
    """Find ``pr-manager`` on the node above the one that opens the disk."""
    for found in command.reservations:
        if not found.is_on_format_node:
            continue
        node = found.setting
        below = command.below(node)
        remedies: tuple[Remedy, ...] = ()
        if not is_node(node) or "file" not in node.properties:
            remedies = (Change(node, found.key, "file.pr-manager", found.manager),)
        elif below:
            remedies = (
                Change(node, found.key, None),
                Change(below, found.key, found.key, found.manager),
            )
        what = f"{excerpt(node)}: pr-manager={found.manager}"
        yield Found(node.argument.line, what, remedies)


def none(command: Command) -> Iterator[Found]:
    """Find references to a manager where there is none at all."""
    if not command.whole or command.managers:
        return
    socket = min(command.sockets, default=DEFAULT_SOCKET)
    for name in dict.fromkeys(found.manager for found in command.reservations):
        first = next(found for found in command.reservations if found.manager == name)
        helper = {"qom-type": MANAGER, "id": name, "path": socket}
        what = f"{excerpt(first.setting)}: {first.key}={name}"
        yield Found(first.setting.argument.line, what, (Addition("object", helper),))


def unknown(command: Command) -> Iterator[Found]:
    """Find references to a manager that has another id."""
    if not command.whole or not command.managers:
        return
    for found in command.reservations:
        if found.manager in command.managers:
            continue
        what = f"{excerpt(found.setting)}: {found.key}={found.manager}"
        only = list(command.managers) if len(command.managers) == 1 else []
        remedies = tuple(Change(found.setting, found.key, found.key, name) for name in only)
        yield Found(found.setting.argument.line, what, remedies)


def unused(command: Command) -> Iterator[Found]:
    """Find managers in a command line whose disks name none."""
    if not command.whole or command.reservations:
        return
    opened = [command.opened_by(device) for device in command.devices if passes_through(device)]
    references = [_reference(nodes[-1]) for nodes in opened if nodes]
    local = [(node, key) for node, key, path in references if path.startswith("/")]
    if references and not local:
        return  # what QEMU reaches over a network itself needs no manager
    for name, manager in command.managers.items():
        remedies = tuple(Change(node, key, key, name) for node, key in local)
        alone = len(command.managers) == 1
        yield Found(manager.argument.line, excerpt(manager), remedies if alone else ())


def _reference(node: Setting) -> tuple[Setting, str, str]:
    given = node.properties
    prefix = "" if is_node(node) and "filename" in given else "file."
    return node, f"{prefix}pr-manager", given.get(f"{prefix}filename", given.get("file", ""))


def duplicates(command: Command) -> Iterator[Found]:
    """Find ids of managers and names of nodes that are given twice."""
    for options, keys in ((("object",), ("id",)), (("blockdev", "drive"), ("id", "node-name"))):
        named = [
            (setting, setting.properties[key])
            for setting in command.of(*options)
            for key in keys
            if key in setting.properties
        ]
        taken = Counter[str]()
        for setting, name in named:
            taken[name] += 1
            if taken[name] == 2:
                yield Found(setting.argument.line, f"{excerpt(setting)}: {name!r} again")
