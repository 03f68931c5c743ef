"""libvirt's XML of disks with reservations, written, and read back as what QEMU is told for it."""

import os
import re
from collections.abc import Iterator
from itertools import repeat
from string import ascii_lowercase

from qemu_pr.command_line.elements import Element
from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.model import DEFAULT_HELPER_ID, DEFAULT_SOCKET, ReservedDisks
from qemu_pr.command_line.options import Argument, Setting

# What QEMU is told for a disk's device and its target's bus.
DEVICES = {
    ("lun", "scsi"): "scsi-block",
    ("disk", "scsi"): "scsi-hd",
    ("cdrom", "scsi"): "scsi-cd",
    ("lun", "virtio"): "virtio-blk",
    ("disk", "virtio"): "virtio-blk",
}
_DRIVERS = {"block": "host_device", "volume": "host_device"}

_CONTROLLER = "<controller type='scsi' model='virtio-scsi'/>"
_YES = {True: "yes", False: "no"}
_IN_ATTRIBUTE = str.maketrans(
    {"&": "&amp;", "<": "&lt;", "'": "&apos;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def disk_xml(disks: ReservedDisks) -> str:
    """Give elements to put into ``<devices>`` of a domain: a controller, and each disk.

    Args:
        disks: The disks, with ``scsi-block``. Ids, names and buses are libvirt's to choose.

    Raises:
        CommandLineError: libvirt has no such thing, or XML cannot carry a path.
    """
    chosen = ReservedDisks(disks.disks)
    for what, value, usual in (
        ("device", disks.device, chosen.device),
        ("helper id", disks.helper_id, chosen.helper_id),
        ("name", disks.name, chosen.name),
        ("bus", disks.bus, chosen.bus),
    ):
        if value != usual:
            raise CommandLineError(f"{what} {value!r}", "libvirt chooses it itself", "leave it out")
    return "\n".join([_CONTROLLER, *map(_disk_xml, repeat(disks), range(len(disks.disks)))])


def reserved(disk: Element) -> bool:
    """Tell whether a ``<disk>`` is one with reservations."""
    return disk.first("source").has("reservations")


def settings(disk: Element, before: int = 0) -> list[Setting]:
    """Say what libvirt tells QEMU for one ``<disk>``, as far as reservations go.

    It sees to a controller itself.

    Args:
        disk: The element.
        before: The number of lines before the text that it was read from.
    """
    found = list(_node_and_device(disk, DEFAULT_HELPER_ID if reserved(disk) else None))
    if reserved(disk):
        found.insert(0, _helper(disk, DEFAULT_HELPER_ID, _socket(disk)))
    return [
        _CONTROLLER_OPTION,
        *(one.but(argument=one.argument.but(line=one.argument.line + before)) for one in found),
    ]


def _disk_xml(disks: ReservedDisks, number: int) -> str:
    path = disks.disks[number]
    if not path.startswith("/"):
        raise CommandLineError(
            f"disk {path!r}", "libvirt takes no relative path", "write the whole path"
        )
    managed = f"managed='{_YES[disks.managed]}'"
    migration = "" if disks.migrate_pr is None else f" migration='{_YES[disks.migrate_pr]}'"
    if disks.managed:
        reservations = [f"    <reservations {managed}{migration}/>"]
    else:
        reservations = [
            f"    <reservations {managed}{migration}>",
            f"      <source type='unix' path={quote(disks.socket)} mode='client'/>",
            "    </reservations>",
        ]
    lines = [
        "<disk type='block' device='lun'>",
        "  <driver name='qemu' type='raw'/>",
        f"  <source dev={quote(path)}>",
        *reservations,
        "  </source>",
        f"  <target dev='{_target(number)}' bus='scsi'/>",
        "</disk>",
    ]
    return "\n".join(lines)


def _target(number: int) -> str:
    """Name a disk as Linux does: sda to sdz, sdaa and so on."""
    letters = ""
    while number >= 0:
        number, letter = divmod(number, 26)
        letters = ascii_lowercase[letter] + letters
        number -= 1
    return "sd" + letters


def quote(path: str) -> str:
    """Write an attribute's value.

    Raises:
        CommandLineError: XML cannot carry it.
    """
    try:
        text = os.fsencode(path).decode()
    except UnicodeError:
        why = "not UTF-8, and libvirt's XML has nothing else"
    else:
        if not _NO_XML.search(text):
            return "'" + text.translate(_IN_ATTRIBUTE) + "'"
        why = "holds a character that XML has not"
    raise CommandLineError(repr(path), why, "use a symbolic link")


def _reservations(disk: Element) -> Element:
    return disk.first("source").first("reservations")


def _socket(disk: Element) -> str | None:
    reservations = _reservations(disk)
    if reservations.attributes.get("managed") == "yes":
        return DEFAULT_SOCKET  # libvirt puts another in its place
    return reservations.first("source").attributes.get("path")


def _helper(disk: Element, identifier: str, path: str | None) -> Setting:
    properties = {"qom-type": "pr-manager-helper", "id": identifier}
    return _setting(disk, "object", properties if path is None else properties | {"path": path})


def _node_and_device(disk: Element, helper: str | None) -> Iterator[Setting]:
    source, target = disk.first("source"), disk.first("target").attributes
    kind = disk.attributes.get("type", "")
    device = (disk.attributes.get("device", "disk"), target.get("bus", ""))
    name = target.get("dev", "")
    node = {
        "node-name": name,
        "driver": disk.first("driver").attributes.get("type", "raw"),
        "file.driver": _DRIVERS.get(kind, kind),
    }
    if helper is not None:
        node["file.pr-manager"] = helper
    path = source.attributes.get("dev", source.attributes.get("file"))
    if path is not None:
        node["file.filename"] = path
    if disk.has("readonly"):
        node["read-only"] = "on"
    yield _setting(disk, "blockdev", node)
    properties = {"driver": DEVICES.get(device, " on ".join(device)), "drive": name}
    migration = _reservations(disk).attributes.get("migration")
    if migration is not None:
        properties["migrate-pr"] = migration
    yield _setting(disk, "device", properties)


def _setting(disk: Element, option: str, properties: dict[str, str]) -> Setting:
    name = disk.first("target").attributes.get("dev", "")
    place = f"<disk> {name}".rstrip()
    encoded = {key: os.fsdecode(value.encode()) for key, value in properties.items()}
    return Setting(Argument(option, None, disk.line, place), encoded)


_CONTROLLER_OPTION = Setting(Argument("device", None, 0, _CONTROLLER), {"driver": "virtio-scsi"})
