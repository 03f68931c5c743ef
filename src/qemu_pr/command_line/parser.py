"""Reads a QEMU command line back into the disks whose reservations it wires to a helper."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.identifiers import check_id, check_node_name
from qemu_pr.command_line.model import DEVICES, ReservedDisks
from qemu_pr.command_line.options import Setting, arguments, settings
from qemu_pr.command_line.shell import Word, split
from qemu_pr.record import Record

T = TypeVar("T")

CONTROLLERS = frozenset(
    {
        "am53c974",
        "dc390",
        "lsi",
        "lsi53c810",
        "lsi53c895a",
        "megasas",
        "megasas-gen2",
        "mptsas1068",
        "pvscsi",
        "spapr-vscsi",
        "usb-bot",
        "usb-uas",
        "virtio-scsi",
        "virtio-scsi-ccw",
        "virtio-scsi-device",
        "virtio-scsi-pci",
        "virtio-scsi-pci-non-transitional",
        "virtio-scsi-pci-transitional",
    }
)
"""QEMU's host bus adapters, of which one has to give ``scsi-block`` a bus."""

_TRUTH = dict.fromkeys(("on", "yes", "true", "y"), True) | dict.fromkeys(
    ("off", "no", "false", "n"), False
)


class _ReservedDisk(Record):
    path: str
    manager: str
    device: str
    migrate_pr: bool | None


def parse(source: str | Sequence[str]) -> ReservedDisks:
    """Read which disks a command line reserves, and through which helper.

    Names of nodes and drives are not kept, nor is what has nothing to do with reservations: other
    options, other disks, other properties.

    Args:
        source: A command as shell text, or an argument vector.

    Returns:
        Its reserved disks in the order of their devices.

    Raises:
        CommandLineError: The shell or QEMU would refuse it, no disk is reserved, or the disks
            differ in what `ReservedDisks` has one of: helper, device and migrate-pr.
    """
    return parse_words(
        split(source) if isinstance(source, str) else [Word(text, 0) for text in source]
    )


def parse_words(words: Sequence[Word]) -> ReservedDisks:
    """Do what `parse` does with words, whatever they were read from.

    Raises:
        CommandLineError: As `parse`.
    """
    if not words:
        raise CommandLineError("command line", "empty")
    return assemble(list(settings(arguments(words))))


def assemble(settings: Sequence[Setting]) -> ReservedDisks:
    """Do what `parse` does with settings, whatever they were read from.

    Raises:
        CommandLineError: QEMU would refuse them, no disk is reserved, or the disks differ.
    """
    helpers = _by_name(settings, _helper_names)
    nodes = _by_name(settings, _node_names)
    devices = [setting for setting in settings if setting.argument.option == "device"]
    if not any(
        device.properties.get("driver") in CONTROLLERS or "bus" in device.properties
        for device in devices
    ):
        raise CommandLineError(
            "controller", "no option gives the guest a SCSI bus", "add -device virtio-scsi"
        )
    disks = [
        disk
        for device in devices
        if device.properties.get("driver") in DEVICES
        and (disk := _reserved_disk(device, nodes, helpers))
    ]
    if not disks:
        raise CommandLineError(
            "disks",
            f"no {' or '.join(DEVICES)} device has a disk with a pr-manager",
            "add file.pr-manager=ID to the disk's -blockdev or -drive",
        )
    manager = _only("helper", [disk.manager for disk in disks])
    return ReservedDisks(
        disks=tuple(disk.path for disk in disks),
        socket=_property(helpers[manager], "path"),
        helper_id=manager,
        device=_only("device", [disk.device for disk in disks]),
        migrate_pr=_only("migrate-pr", [disk.migrate_pr for disk in disks]),
    )


def _reserved_disk(
    device: Setting, nodes: Mapping[str, Setting], helpers: Mapping[str, Setting]
) -> _ReservedDisk | None:
    node = _named(device, "drive", nodes, "-blockdev or -drive")
    child = node
    if node.argument.option == "blockdev" and "file" in node.properties:
        child = _named(node, "file", nodes, "-blockdev")
    for opened in (node, child):
        _check_level_of_manager(opened)
    prefix = "file." if "file.pr-manager" in child.properties else ""
    if prefix + "pr-manager" not in child.properties:
        return None
    helper = _named(child, prefix + "pr-manager", helpers, "-object pr-manager-helper")
    for setting in (device, node, child, helper):
        _check_literal(setting)
    if node.argument.option == "drive":
        if node.properties.get("if") != "none":
            raise CommandLineError(
                str(node.argument), "QEMU gives the disk to another controller", "add if=none"
            )
        # In -drive alone, file=PATH is another way to write file.filename=PATH.
        path = node.properties.get("file") or _property(node, "file.filename")
    else:
        path = _property(child, prefix + "filename")
    return _ReservedDisk(
        path=path,
        manager=child.properties[prefix + "pr-manager"],
        device=device.properties["driver"],
        migrate_pr=_switch(device, "migrate-pr"),
    )


def _check_level_of_manager(node: Setting) -> None:
    for prefix in ("", "file."):
        if prefix + "pr-manager" not in node.properties:
            continue
        # -drive finds drivers by itself: host_device for the file, as it is a device.
        found = {"": "raw", "file.": "host_device"} if node.argument.option == "drive" else {}
        driver = node.properties.get(prefix + "driver") or found.get(prefix)
        if (driver or _property(node, prefix + "driver")) != "host_device":
            raise CommandLineError(
                str(node.argument),
                f"QEMU's block driver {driver!r} has no property pr-manager",
                "give file.pr-manager to a host_device node",
            )


def _check_literal(setting: Setting) -> None:
    if setting.argument.value and setting.argument.value.expands:
        raise CommandLineError(
            str(setting.argument),
            "the shell would expand the $ or the backquote in it",
            "write out what it stands for, or put it in single quotes",
        )


def _helper_names(setting: Setting) -> Iterator[str]:
    if setting.properties.get("qom-type") == "pr-manager-helper":
        name = _property(setting, "id")
        check_id(f"{setting.argument}: id", name)
        yield name


def _node_names(setting: Setting) -> Iterator[str]:
    properties = setting.properties
    if setting.argument.option == "drive" and "id" in properties:
        check_id(f"{setting.argument}: id", properties["id"])
        yield properties["id"]
    if setting.argument.option in ("blockdev", "drive") and "node-name" in properties:
        check_node_name(f"{setting.argument}: node-name", properties["node-name"])
        yield properties["node-name"]


def _by_name(
    settings: Iterable[Setting], names: Callable[[Setting], Iterable[str]]
) -> dict[str, Setting]:
    table: dict[str, Setting] = {}
    for setting in settings:
        for name in names(setting):
            if name in table:
                raise CommandLineError(str(setting.argument), f"{name!r} is taken already")
            table[name] = setting
    return table


def _named(setting: Setting, key: str, table: Mapping[str, Setting], kind: str) -> Setting:
    name = _property(setting, key)
    if name not in table:
        raise CommandLineError(str(setting.argument), f"{key}={name!r} is the name of no {kind}")
    return table[name]


def _property(setting: Setting, key: str) -> str:
    if key not in setting.properties:
        raise CommandLineError(str(setting.argument), f"{key} is missing")
    return setting.properties[key]


def _switch(setting: Setting, key: str) -> bool | None:
    if key not in setting.properties:
        return None
    value = setting.properties[key]
    if value not in _TRUTH:
        raise CommandLineError(str(setting.argument), f"{key}={value!r}", "write on or off")
    return _TRUTH[value]


def _only(what: str, values: Sequence[T]) -> T:
    first = values[0]
    for other in values:
        if other != first:
            raise CommandLineError(
                what, f"{first} for one disk and {other} for another", "use one for all of them"
            )
    return first
