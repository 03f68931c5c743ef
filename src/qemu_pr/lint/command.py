"""A QEMU command line as it was found in a text, and what a fault may want of it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from qemu_pr.command_line.model import DEVICES
from qemu_pr.command_line.options import Setting
from qemu_pr.command_line.wiring import VIRTIO_SCSI
from qemu_pr.host.block_devices import OF_NO_HOST, BlockDevices
from qemu_pr.lint.met import Met

MANAGER = "pr-manager-helper"
REFERENCE = "pr-manager"
FORMATS = frozenset({"raw", "qcow2", "qcow", "qed", "vdi", "vhdx", "vmdk", "vpc", "luks"})
ON = frozenset({"on", "yes", "true", "y"})

# What is no disk: CD drives, tapes and changers.
_NO_DISK = re.compile(
    r"/dev/(sr\d|cd|dvd|scd|n?st\d|tape|sch\d|sg\d|disk/by-id/(ata|usb)-.*(DVD|CD))"
)

# $x ${x} `x` {{ x }} {x} {% x %} <x> @x@ %i XXX ... and what stands for a path in a manual.
_UNKNOWN = re.compile(
    r"[$`]|\{[^{}]*\}|\{%|<[^<>]+>|@\w+@|__\w+__|\[\[|%[a-zA-Z%{(]|\.\.\.|…|^[A-Z][A-Z_]*$|\bX{3,}\b"
)


@dataclass(frozen=True, slots=True)
class Change:
    """A property to change.

    Attributes:
        setting: The option that sets it.
        key: Its key; it is added if the option does not have it.
        new_key: The key in its place; None takes it away.
        value: The value of the new key.
    """

    setting: Setting
    key: str
    new_key: str | None
    value: str = ""


@dataclass(frozen=True, slots=True)
class Addition:
    """An option to add.

    Attributes:
        option: Its name.
        properties: What it sets.
        last: It goes behind the others, as a device does whose bus must be there; else before them.
    """

    option: str
    properties: Mapping[str, str]
    last: bool = False


Remedy = Change | Addition


@dataclass(frozen=True, slots=True)
class FaultyPlace:
    """A place that has a fault.

    Attributes:
        line: The line, counted from 1.
        what: What is there.
        remedies: What corrects it; nothing if only a human can know.
        certain: It is a fault; else it is one only if the text has no more than was read.
    """

    line: int
    what: str
    remedies: tuple[Remedy, ...] = ()
    certain: bool = True


@dataclass(frozen=True, slots=True)
class ManagerReference:
    """A node that names a manager.

    Attributes:
        setting: The option that has the node.
        key: The key of the reference, such as ``file.pr-manager``.
    """

    setting: Setting
    key: str

    @property
    def manager(self) -> str:
        """The id of the manager."""
        return self.setting.properties[self.key]

    @property
    def is_on_format_node(self) -> bool:
        """Whether it is on a node that knows no managers, as it is on another that opens the disk.

        Without a driver, -drive finds out the format.
        """
        given = self.setting.properties
        found = "" if is_node(self.setting) else "raw"
        return self.key == REFERENCE and given.get("driver", given.get("format", found)) in FORMATS

    @property
    def prefix(self) -> str:
        """What is before the keys of the node: ``file.`` or nothing."""
        return self.key.removesuffix(REFERENCE)


@dataclass(frozen=True, slots=True)
class OpenedDisk:
    """A disk with a manager, as an option opens it.

    Attributes:
        reference: What names the manager.
        setting: The option that has the path.
        prefix: What is before the keys of the node that opens the path: ``file.`` or nothing.
    """

    reference: ManagerReference
    setting: Setting
    prefix: str

    @property
    def key(self) -> str:
        """The key of the path; -drive has a short one."""
        short = self.setting.argument.option == "drive" and "file" in self.setting.properties
        return "file" if short else f"{self.prefix}filename"

    @property
    def path(self) -> str:
        """The path; empty if there is none."""
        return self.setting.properties.get(self.key, "")


@dataclass(frozen=True)
class Command:
    """A command line, or a part of one.

    Attributes:
        line: The line that it starts on, counted from 1.
        program: The first word, if there is one before the options.
        closed: Between its options nothing is missing or unknown.
        settings: Its options that wire disks.
        misread: Faults that were met in reading it, by their names.
        correct: Gives its text with remedies applied, and with what was met in reading mended.
        read: Reads such a text again.
        controller: The controller to add if there is none; None if others see to controllers.
        elsewhere: Tells whether a drive of this name is told to QEMU elsewhere.
        sockets: Where helpers listen, as the same text has it; empty if it does not say.
        block_devices: Where to look for its disks.
        used: The names of the disks that devices of the same text have.
        is_read: It was read as a command; else the text only speaks of managers there.
    """

    line: int
    program: str
    closed: bool
    settings: tuple[Setting, ...]
    misread: tuple[tuple[Met, FaultyPlace], ...]
    correct: Callable[[Sequence[Remedy]], str]
    read: Callable[[str], "list[Command]"]
    controller: Mapping[str, str] | None = field(default_factory=lambda: dict(VIRTIO_SCSI))
    elsewhere: Callable[[str], bool] = lambda _name: False
    sockets: frozenset[str] = frozenset()
    block_devices: BlockDevices = OF_NO_HOST
    used: frozenset[str] = frozenset()
    is_read: bool = True

    @property
    def whole(self) -> bool:
        """Whether all of it was read, so that what is not there is a fault."""
        return self.closed and bool(self.program)

    @cached_property
    def managers(self) -> dict[str, Setting]:
        """The managers, by id."""
        return {
            setting.properties["id"]: setting
            for setting in self.of("object")
            if setting.properties.get("qom-type") == MANAGER and "id" in setting.properties
        }

    @property
    def sockets_of_managers(self) -> list[str]:
        """The sockets that the managers connect to."""
        given = [manager.properties.get("path") for manager in self.managers.values()]
        return [path for path in given if path is not None]

    @cached_property
    def nodes(self) -> dict[str, Setting]:
        """The options that open disks, by node name and drive id."""
        return {
            setting.properties[key]: setting
            for setting in self.of("blockdev", "drive")
            for key in ("id", "node-name")
            if key in setting.properties
        }

    @cached_property
    def devices(self) -> list[Setting]:
        """The devices."""
        return self.of("device")

    @cached_property
    def references(self) -> list[ManagerReference]:
        """The nodes that name a manager."""
        return [
            ManagerReference(setting, key)
            for setting in self.of("blockdev", "drive")
            for key in setting.properties
            if key.split(".")[-1] == REFERENCE
        ]

    @cached_property
    def disks(self) -> list[OpenedDisk]:
        """The disks that have a manager, whether it is named in the right place or not."""
        return [self._disk(found) for found in self.references]

    def _disk(self, found: ManagerReference) -> OpenedDisk:
        node, prefix = found.setting, found.prefix
        if found.is_on_format_node:
            below = self.below(node)
            node, prefix = (below, "") if below else (node, "file.")
        return OpenedDisk(found, node, prefix)

    @property
    def uses_managers(self) -> bool:
        """Whether it has to do with reservation managers at all."""
        return (
            bool(self.references)
            or any(REFERENCE in device.properties for device in self.devices)
            or any(setting.properties.get("qom-type") == MANAGER for setting in self.of("object"))
        )

    @cached_property
    def unreserved(self) -> list[tuple[Setting, Setting]]:
        """The local disks that are passed through without a manager: device and node of each."""
        return [
            (device, nodes[-1])
            for device in self.devices
            if device.properties.get("driver") == "scsi-block"
            and REFERENCE not in device.properties
            and (nodes := self.opened_by(device))
            and not self.references_of(device)
            and _may_be_reserved(nodes)
        ]

    def of(self, *options: str) -> list[Setting]:
        """Give the settings of some options."""
        return [setting for setting in self.settings if setting.argument.option in options]

    def opened_by(self, device: Setting) -> list[Setting]:
        """Give the nodes of a device from the top: its drive, and the nodes that this is on."""
        nodes: list[Setting] = []
        node = self._node(device, "drive")
        while node is not None and node not in nodes:
            nodes.append(node)
            node = self.below(node)
        return nodes

    def below(self, node: Setting) -> Setting | None:
        """Give the node that a node is on, if that is another option's."""
        below = self._node(node, "file") if is_node(node) else None
        return None if below == node else below

    def _node(self, setting: Setting, key: str) -> Setting | None:
        """Give the node that a property names, whose name may be empty by mistake."""
        name = setting.properties.get(key)
        return None if name is None else self.nodes.get(name)

    def references_of(self, device: Setting) -> list[ManagerReference]:
        """Give the references to managers in the nodes of a device."""
        opened = self.opened_by(device)
        return [found for found in self.references if found.setting in opened]

    def device_of(self, reference: ManagerReference) -> Setting | None:
        """Give the device that has a node, None if it is not there."""
        for device in self.devices:
            if reference in self.references_of(device):
                return device
        return None


def is_node(setting: Setting) -> bool:
    """Tell whether a setting is a ``-blockdev``."""
    return setting.argument.option == "blockdev"


def passes_through(device: Setting) -> bool:
    """Tell whether a device is one of QEMU's SCSI passthrough devices."""
    return device.properties.get("driver") in DEVICES


def path_of(node: Setting) -> tuple[str, str]:
    """Give the key of the path that a node opens, and the path; empty if there is none."""
    given = node.properties
    for key in ("file.filename", "filename", *(() if is_node(node) else ("file",))):
        if key in given:
            return key, given[key]
    return "", ""


def is_unknown(value: str) -> bool:
    """Tell whether a value holds what stands for another: of a shell, a template or a manual."""
    return bool(_UNKNOWN.search(value))


def is_device_file(path: str) -> bool:
    """Tell whether a path is one of a device, as far as paths tell."""
    return path.startswith("/dev/") and not path.startswith("/dev/shm/")


def _may_be_reserved(nodes: Sequence[Setting]) -> bool:
    """Tell whether the disk that nodes open is one on this host that can have reservations."""
    _, path = path_of(nodes[-1])
    read_only = any(
        key.split(".")[-1] in ("read-only", "readonly") and value in ON
        for node in nodes
        for key, value in node.properties.items()
    )
    return is_device_file(path) and not _NO_DISK.match(path) and not read_only


def excerpt(setting: Setting) -> str:
    """Say where a setting is, for a reader: the option and what tells it from others."""
    argument = setting.argument
    if argument.place:
        return argument.place
    given = setting.properties
    driver = given.get("qom-type") or (given.get("driver") if argument.option == "device" else None)
    keys = ("id", "node-name", "drive", "file", "file.filename")
    name = next((f"{key}={given[key]}" for key in keys if key in given), None)
    return " ".join([f"-{argument.option}", ",".join(filter(None, (driver, name)))]).rstrip()
