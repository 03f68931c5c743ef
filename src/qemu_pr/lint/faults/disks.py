"""Faults in the disks that are opened."""

import re
from collections.abc import Iterator

from qemu_pr.command_line.options import Setting
from qemu_pr.lint.command import (
    FORMATS,
    ON,
    Change,
    Command,
    FaultyPlace,
    OpenedDisk,
    excerpt,
    is_device_file,
    is_node,
    is_unknown,
    passes_through,
)

_HOST_DEVICE = "host_device"
_NOT_SCSI = re.compile(r"/dev/(?:nvme\d+n\d+|vd[a-z]+|xvd[a-z]+|mmcblk\d+|md\d+|rbd\d+|nbd\d+)")
_IMAGE = re.compile(r"(?!/dev/).*\.(img|raw|qcow2?|iso|vmdk|vhdx?|vdi)")


def other_driver(command: Command) -> Iterator[FaultyPlace]:
    """Find nodes that name a manager and open no device."""
    for disk in command.disks:
        key = f"{disk.prefix}driver"
        # -drive finds out by itself that it opens a device.
        unsaid = "" if is_node(disk.setting) else _HOST_DEVICE
        driver = disk.setting.properties.get(key, unsaid)
        if is_unknown(driver) or (driver == _HOST_DEVICE and not _IMAGE.fullmatch(disk.path)):
            continue
        what = f"{key}={driver}" if driver else f"no {key}"
        if driver == _HOST_DEVICE:
            what = disk.path
        # Of a file nobody knows which disk is meant in its place.
        local = is_device_file(disk.path)
        remedies = (Change(disk.setting, key, key, _HOST_DEVICE),) if local else ()
        yield FaultyPlace(disk.setting.argument.line, f"{excerpt(disk.setting)}: {what}", remedies)


def other_format(command: Command) -> Iterator[FaultyPlace]:
    """Find disks that are passed through, and have an image format."""
    for device in filter(passes_through, command.devices):
        nodes = command.opened_by(device)
        if not command.references_of(device) and not device.argument.place:
            continue
        for node in nodes:
            for key in ("driver", "format"):
                value = node.properties.get(key)
                if value in FORMATS and value != "raw":
                    what = f"{excerpt(node)}: {value}"
                    yield FaultyPlace(node.argument.line, what, (Change(node, key, key, "raw"),))


def read_only(command: Command) -> Iterator[FaultyPlace]:
    """Find disks with a manager that are opened for reading only."""
    for setting in _opened(command):
        for key, value in setting.properties.items():
            if key.split(".")[-1] in ("read-only", "readonly") and value in ON:
                remedies = (Change(setting, key, None),)
                yield FaultyPlace(
                    setting.argument.line, f"{excerpt(setting)}: {key}={value}", remedies
                )


def not_scsi(command: Command) -> Iterator[FaultyPlace]:
    """Find disks that are no SCSI disks, by the names that the kernel gives to others."""
    for disk in command.disks:
        if _NOT_SCSI.fullmatch(disk.path):
            yield FaultyPlace(disk.setting.argument.line, f"{excerpt(disk.setting)}: {disk.path}")


def partition(command: Command) -> Iterator[FaultyPlace]:
    """Find partitions with a manager."""
    for disk in command.disks:
        whole = command.block_devices.disk_of_partition(disk.path)
        if whole:
            yield _elsewhere(disk, whole)


def one_path(command: Command) -> Iterator[FaultyPlace]:
    """Find disks that are one path of a multipath map, if a host is looked at that has them."""
    for disk in command.disks:
        multipath_map = command.block_devices.map_of_path(disk.path)
        if multipath_map:
            yield _elsewhere(disk, multipath_map)


def _elsewhere(disk: OpenedDisk, path: str) -> FaultyPlace:
    what = f"{excerpt(disk.setting)}: {disk.path}, and not {path}"
    return FaultyPlace(
        disk.setting.argument.line, what, (Change(disk.setting, disk.key, disk.key, path),)
    )


def _opened(command: Command) -> list[Setting]:
    """Give the nodes that name a manager, and what is on them."""
    below = [found.setting for found in command.references]
    names = {name for name, node in command.nodes.items() if node in below}
    above = [node for node in command.nodes.values() if node.properties.get("file") in names]
    return list({id(node): node for node in [*below, *above]}.values())
