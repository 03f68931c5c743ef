"""Faults in the devices that give disks to the guest."""

import re
from collections.abc import Iterator

from qemu_pr.command_line.model import DEVICES
from qemu_pr.command_line.options import Setting
from qemu_pr.command_line.parser import CONTROLLERS
from qemu_pr.lint.command import (
    Addition,
    Change,
    Command,
    Found,
    Remedy,
    excerpt,
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

# Their usual boards have a SCSI controller of their own.
_BOARDS_WITH_SCSI = re.compile(r".*qemu-system-(alpha|arm|hppa|m68k|mips|ppc|sparc)\w*")


def unknown_disk(command: Command) -> Iterator[Found]:
    """Find passthrough devices whose disk is not there."""
    if not command.whole:
        return
    free = [found for found in command.reservations if command.device_of(found) is None]
    for device in filter(passes_through, command.devices):
        name = device.properties.get("drive")
        if name is not None and (name in command.nodes or command.elsewhere(name)):
            continue
        what = excerpt(device) if name is not None else f"{excerpt(device)}: no drive"
        names = _names(command, free[0].setting) if len(free) == 1 else []
        remedies = tuple(Change(device, "drive", "drive", name) for name in names[:1])
        yield Found(device.argument.line, what, remedies)


def _names(command: Command, opened: Setting) -> list[str]:
    """Give the names by which a device may know a node, the best first: that of what is on it."""
    own = [name for name, node in command.nodes.items() if node == opened]
    above = [
        name
        for name, node in command.nodes.items()
        if node.properties.get("file") in own and node != opened
    ]
    return above + own


def emulated(command: Command) -> Iterator[Found]:
    """Find devices that emulate a disk, on a node that names a manager."""
    for device in command.devices:
        if passes_through(device) or not command.reserved_by(device):
            continue
        driver = device.properties.get("driver", "")
        kept = _KEPT_ON_BUS if driver.startswith("scsi-") else _KEPT
        remedies = [Change(device, "driver", "driver", "scsi-block")]
        remedies += [Change(device, key, None) for key in device.properties if key not in kept]
        yield Found(device.argument.line, excerpt(device), tuple(remedies))


def interface(command: Command) -> Iterator[Found]:
    """Find drives with a manager that QEMU makes an emulated disk of."""
    for found in command.reservations:
        drive = found.setting
        if drive.argument.option != "drive" or drive.properties.get("if") == "none":
            continue
        name = drive.properties.get("id", "hd")
        remedies: list[Remedy] = [Change(drive, "if", "if", "none")]
        if "id" not in drive.properties:
            remedies.append(Change(drive, "id", "id", name))
        if not any(device.properties.get("drive") == name for device in command.devices):
            remedies.append(Addition("device", {"driver": "scsi-block", "drive": name}))
        given = drive.properties.get("if")
        what = f"{excerpt(drive)}: " + ("no if=" if given is None else f"if={given}")
        yield Found(drive.argument.line, what, tuple(remedies))


def no_controller(command: Command) -> Iterator[Found]:
    """Find passthrough devices in a command line without a controller."""
    known = {device.properties.get("driver") for device in command.devices}
    if not command.whole or known & CONTROLLERS or _BOARDS_WITH_SCSI.fullmatch(command.program):
        return
    wanting = [
        *(one for one in command.devices if passes_through(one) or command.reserved_by(one)),
        *(one.setting for one in command.reservations if one.setting.argument.option == "drive"),
    ]
    for setting in wanting[:1]:
        remedies = (Addition("device", command.controller),)
        yield Found(setting.argument.line, excerpt(setting), remedies)


def wrong_file(command: Command) -> Iterator[Found]:
    """Find device files that the passthrough device does not take."""
    for disk in command.disks:
        device = command.device_of(disk.reservation)
        if device is None or not passes_through(device):
            continue
        driver = device.properties["driver"]
        if DEVICES[driver].unwanted.fullmatch(disk.path):
            fits = [
                other for other, kind in DEVICES.items() if not kind.unwanted.fullmatch(disk.path)
            ]
            remedies = tuple(Change(device, "driver", "driver", other) for other in fits)
            yield Found(device.argument.line, f"{excerpt(device)}: {disk.path}", remedies)
