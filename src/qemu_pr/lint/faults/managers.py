"""Faults in how disks and managers name each other."""

from collections import Counter
from collections.abc import Iterator

from qemu_pr.command_line.model import DEFAULT_SOCKET
from qemu_pr.command_line.options import Setting
from qemu_pr.lint.command import (
    MANAGER,
    REFERENCE,
    Addition,
    Change,
    Command,
    FaultyPlace,
    Remedy,
    excerpt,
    is_device_file,
    is_node,
    is_unknown,
    passes_through,
    path_of,
)

_PROPERTIES = frozenset({"qom-type", "id", "path"})
_DEFAULT_ID = "helper0"


def on_device(command: Command) -> Iterator[FaultyPlace]:
    """Find ``pr-manager`` on the device that has the disk."""
    for device in command.devices:
        for key in (REFERENCE, f"file.{REFERENCE}"):
            if key not in device.properties:
                continue
            name = device.properties[key]
            nodes = command.opened_by(device)
            remedies: list[Remedy] = []
            if nodes and is_device_file(path_of(nodes[-1])[1]):
                remedies.append(Change(device, key, None))
                if not command.references_of(device):
                    reference = _reference(nodes[-1])
                    remedies.append(Change(nodes[-1], reference, reference, name))
            yield FaultyPlace(
                device.argument.line, f"{excerpt(device)}: {key}={name}", tuple(remedies)
            )


def on_format_node(command: Command) -> Iterator[FaultyPlace]:
    """Find ``pr-manager`` on the node above the one that opens the disk."""
    for found in command.references:
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
        yield FaultyPlace(node.argument.line, what, remedies)


def none(command: Command) -> Iterator[FaultyPlace]:
    """Find references to a manager where there is none at all."""
    if not command.whole or command.managers:
        return
    socket = min(command.sockets, default=DEFAULT_SOCKET)
    for name in dict.fromkeys(found.manager for found in command.references):
        first = next(found for found in command.references if found.manager == name)
        helper = {"qom-type": MANAGER, "id": name, "path": socket}
        what = f"{excerpt(first.setting)}: {first.key}={name}"
        yield FaultyPlace(first.setting.argument.line, what, (Addition("object", helper),))


def unknown(command: Command) -> Iterator[FaultyPlace]:
    """Find references to a manager that has another id."""
    if not command.closed or not command.managers or any(map(is_unknown, command.managers)):
        return
    for found in command.references:
        if found.manager in command.managers or is_unknown(found.manager):
            continue
        what = f"{excerpt(found.setting)}: {found.key}={found.manager}"
        only = list(command.managers) if len(command.managers) == 1 else []
        remedies = tuple(Change(found.setting, found.key, found.key, name) for name in only)
        yield FaultyPlace(found.setting.argument.line, what, remedies)


def unused(command: Command) -> Iterator[FaultyPlace]:
    """Find managers in a command line whose disks name none."""
    if not command.whole or command.references:
        return
    if any(REFERENCE in device.properties for device in command.devices):
        return
    passed = filter(passes_through, command.devices)
    opened = [nodes[-1] for device in passed if (nodes := command.opened_by(device))]
    local = [node for node in opened if is_device_file(path_of(node)[1])]
    if opened and not local:
        return  # what QEMU reaches over a network itself needs no manager
    for name, manager in command.managers.items():
        remedies = tuple(
            Change(node, key, key, name) for node in local if (key := _reference(node))
        )
        alone = len(command.managers) == 1
        yield FaultyPlace(manager.argument.line, excerpt(manager), remedies if alone else ())


def unreserved(command: Command) -> Iterator[FaultyPlace]:
    """Find disks that are passed through without a manager, unless no disk has one."""
    if command.managers and not command.references:
        return  # told of the manager
    name = next(iter(command.managers), _DEFAULT_ID)
    helper = {"qom-type": MANAGER, "id": name, "path": min(command.sockets, default=DEFAULT_SOCKET)}
    for device, node in command.unreserved:
        remedies: list[Remedy] = [] if command.managers else [Addition("object", helper)]
        reference = _reference(node)
        remedies.append(Change(node, reference, reference, name))
        known = len(command.managers) < 2
        what = f"{excerpt(device)}: {path_of(node)[1]}"
        certain = command.whole
        yield FaultyPlace(device.argument.line, what, tuple(remedies) if known else (), certain)


def properties(command: Command) -> Iterator[FaultyPlace]:
    """Find properties that ``pr-manager-helper`` does not have."""
    for manager in command.of("object"):
        given = manager.properties
        if given.get("qom-type") != MANAGER:
            continue
        unknown = [key for key in given if key not in _PROPERTIES]
        sockets = [key for key in unknown if given[key].startswith("/") or is_unknown(given[key])]
        for key in unknown:
            path = "path" not in given and sockets[:1] == [key]
            remedy = (
                Change(manager, key, "path", given[key]) if path else Change(manager, key, None)
            )
            yield FaultyPlace(
                manager.argument.line, f"{excerpt(manager)}: {key}={given[key]}", (remedy,)
            )


def _reference(node: Setting) -> str:
    """Give the key by which a node names its manager."""
    inner = is_node(node) and "filename" in node.properties
    return REFERENCE if inner else f"file.{REFERENCE}"


def duplicates(command: Command) -> Iterator[FaultyPlace]:
    """Find ids of managers and names of nodes that are given twice."""
    if not command.closed:
        return  # they may be alternatives
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
                yield FaultyPlace(setting.argument.line, f"{excerpt(setting)}: {name!r} again")
