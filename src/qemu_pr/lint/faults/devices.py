"""Faults in the devices that give disks to the guest."""

import os
import re
from collections.abc import Iterator

from qemu_pr.command_line.model import DEVICES
from qemu_pr.command_line.options import Setting
from qemu_pr.lint.command import (
    REFERENCE,
    Addition,
    Change,
    Command,
    FaultyPlace,
    Remedy,
    excerpt,
    is_node,
    is_unknown,
    passes_through,
)

# The properties of scsi-block, and with a bus those of a disk that was a SCSI disk before.
_KEPT = frozenset(
    {
        *("driver", "drive", "id", "bootindex", "share-rw", "rerror", "werror", "migrate-pr"),
        *("rotation_rate", "scsi_version"),
    }
)
_KEPT_ON_BUS = _KEPT | {"bus", "channel", "scsi-id", "lun"}

# QEMU's host bus adapters, of which one has to give scsi-block a bus.
_CONTROLLERS = frozenset(
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

# Their usual boards have a SCSI controller of their own.
_BOARDS_WITH_SCSI = re.compile(r".*qemu-system-(alpha|arm|hppa|m68k|mips|ppc|sparc)\w*")


def unknown_disk(command: Command) -> Iterator[FaultyPlace]:
    """Find passthrough devices whose disk is not there."""
    if not command.whole:
        return
    free = [found for found in command.references if command.device_of(found) is None]
    for device in _without_disk(command):
        name = device.properties.get("drive")
        what = excerpt(device) if name is not None else f"{excerpt(device)}: no drive"
        names = _names(command, free[0].setting) if len(free) == 1 else []
        remedies = tuple(Change(device, "drive", "drive", name) for name in names[:1])
        yield FaultyPlace(device.argument.line, what, remedies)


def _without_disk(command: Command) -> Iterator[Setting]:
    """Give the passthrough devices whose disk is not there."""
    for device in filter(passes_through, command.devices):
        name = device.properties.get("drive")
        if name is None or not (
            name in command.nodes or command.elsewhere(name) or is_unknown(name)
        ):
            yield device


def no_device(command: Command) -> Iterator[FaultyPlace]:
    """Find disks with a manager that no device gives to the guest."""
    if any(_without_disk(command)):
        return  # told of the device
    for disk in command.disks:
        if disk.path == os.devnull:
            continue  # nobody's disk: somebody tries whether QEMU reaches the helper
        node = disk.reference.setting
        names = [node.properties[key] for key in ("id", "node-name") if key in node.properties]
        top = {*names, *_names(command, node)}
        used = {
            value
            for other in command.of("device", "blockdev", "drive")
            for key, value in other.properties.items()
            if key not in ("id", "node-name") and not key.endswith(REFERENCE)
        }
        used |= frozenset() if command.whole else command.used
        if command.device_of(disk.reference) or not used.isdisjoint(top):
            continue
        if any(map(is_unknown, top)) or (not is_node(node) and node.properties.get("if") != "none"):
            continue
        name = next(iter(names), "hd")
        driver = next(
            (one for one, kind in DEVICES.items() if not kind.unwanted.fullmatch(disk.path)),
            "scsi-block",
        )
        key = "node-name" if is_node(node) else "id"
        remedies: list[Remedy] = [] if names else [Change(node, key, key, name)]
        remedies.append(Addition("device", {"driver": driver, "drive": name}, last=True))
        yield FaultyPlace(node.argument.line, excerpt(node), tuple(remedies), command.whole)


def _names(command: Command, opened: Setting) -> list[str]:
    """Give the names by which a device may know a node, the best first: that of what is on it."""
    own = [name for name, node in command.nodes.items() if node == opened]
    above = [
        name
        for name, node in command.nodes.items()
        if is_node(node) and node.properties.get("file") in own and node != opened
    ]
    return above + own


def emulated(command: Command) -> Iterator[FaultyPlace]:
    """Find devices that emulate a disk, on a node that names a manager."""
    for device in command.devices:
        named = REFERENCE in device.properties or command.references_of(device)
        if passes_through(device) or not named:
            continue
        driver = device.properties.get("driver", "")
        kept = _KEPT_ON_BUS if driver.startswith("scsi-") else _KEPT
        remedies = [Change(device, "driver", "driver", "scsi-block")]
        remedies += [Change(device, key, None) for key in device.properties if key not in kept]
        yield FaultyPlace(device.argument.line, excerpt(device), tuple(remedies))


def interface(command: Command) -> Iterator[FaultyPlace]:
    """Find drives with a manager that QEMU makes an emulated disk of."""
    for found in command.references:
        drive = found.setting
        if drive.argument.option != "drive" or drive.properties.get("if") == "none":
            continue
        name = drive.properties.get("id", "hd")
        remedies: list[Remedy] = [Change(drive, "if", "if", "none")]
        if "id" not in drive.properties:
            remedies.append(Change(drive, "id", "id", name))
        if not any(device.properties.get("drive") == name for device in command.devices):
            remedies.append(Addition("device", {"driver": "scsi-block", "drive": name}, last=True))
        given = drive.properties.get("if")
        what = f"{excerpt(drive)}: " + ("no if=" if given is None else f"if={given}")
        yield FaultyPlace(drive.argument.line, what, tuple(remedies))


def no_controller(command: Command) -> Iterator[FaultyPlace]:
    """Find passthrough devices in a command line without a controller."""
    known = {device.properties.get("driver") for device in command.devices}
    if not command.whole or command.controller is None:
        return
    if known & _CONTROLLERS or _BOARDS_WITH_SCSI.fullmatch(command.program):
        return
    for device in command.devices:
        if passes_through(device) or command.references_of(device):
            remedies = (Addition("device", command.controller),)
            yield FaultyPlace(device.argument.line, excerpt(device), remedies)
            return


def wrong_file(command: Command) -> Iterator[FaultyPlace]:
    """Find device files that the passthrough device does not take."""
    for disk in command.disks:
        device = command.device_of(disk.reference)
        if device is None or not passes_through(device):
            continue
        driver = device.properties["driver"]
        if DEVICES[driver].unwanted.fullmatch(disk.path):
            fits = [
                other for other, kind in DEVICES.items() if not kind.unwanted.fullmatch(disk.path)
            ]
            remedies = tuple(Change(device, "driver", "driver", other) for other in fits)
            yield FaultyPlace(device.argument.line, f"{excerpt(device)}: {disk.path}", remedies)
