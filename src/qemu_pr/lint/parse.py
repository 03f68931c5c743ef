"""The reader that refuses the first fault: a text in, a virtual machine's reserved disks out."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from qemu_pr.command_line import elements, qmp
from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.identifiers import check_id, check_node_name
from qemu_pr.command_line.model import DEVICES, ReservedDisks
from qemu_pr.command_line.notation import OPTIONS
from qemu_pr.command_line.options import Setting, arguments
from qemu_pr.command_line.shell import Word, split
from qemu_pr.command_line.wiring import VIRTIO_SCSI
from qemu_pr.lint.command import MANAGER, Command, FaultyPlace, OpenedDisk, passes_through
from qemu_pr.lint.faults import FAULTS
from qemu_pr.lint.met import Met
from qemu_pr.lint.readers import libvirt_xml, proxmox_conf
from qemu_pr.lint.readers.words import settings_of

_T = TypeVar("_T")

# Faults of disks, of which the command line is as good as any: whoever names them knows them.
_OF_DISKS = frozenset({"partition", "not-scsi", "one-path", "wrong-device-file"})

_SWITCH = dict.fromkeys(("on", "yes", "true", "y"), True) | dict.fromkeys(
    ("off", "no", "false", "n"), False
)


def parse(source: str | Sequence[str]) -> ReservedDisks:
    """Read which disks a text has QEMU reserve, and through which helper.

    Names of nodes and drives are not kept, nor is what has nothing to do with reservations: other
    options, other disks, other properties.

    Args:
        source: A command for a shell, a configuration of Proxmox VE, QMP commands, libvirt's XML of
            a domain or of disks; or an argument vector.

    Returns:
        Its reserved disks in the order of their devices.

    Raises:
        CommandLineError: What reads such a text would refuse it, it has a fault that lint knows, no
            disk is reserved, or the disks differ in what `ReservedDisks` has one of.
    """
    is_xml = isinstance(source, str) and source.lstrip().startswith("<")
    managed = is_xml and _is_managed(str(source))
    commands = list(_commands(source))
    for command in commands:
        _check_names(command)
        _refuse_faults(command)
    reserved = [one for command in commands for one in _reserved(command)]
    if not reserved:
        raise CommandLineError(
            "disks",
            f"no {' or '.join(DEVICES)} device has a disk with a pr-manager",
            "add file.pr-manager=ID to the disk's -blockdev or -drive",
        )
    return ReservedDisks(
        disks=tuple(disk.path for _, disk, _ in reserved),
        socket=_only("socket", [helper.properties["path"] for _, _, helper in reserved]),
        helper_id=_only("helper", [helper.properties["id"] for _, _, helper in reserved]),
        device=_only("device", [device.properties["driver"] for device, _, _ in reserved]),
        migrate_pr=_only("migrate-pr", [_migrates(device) for device, _, _ in reserved]),
        managed=managed,
    )


def _commands(source: str | Sequence[str]) -> Iterator[Command]:
    if not isinstance(source, str):
        yield _command([Word(text, 0) for text in source])
    elif source.lstrip().startswith("<"):
        yield from libvirt_xml.read(source)[0]
    elif source.lstrip().startswith(("{", "[")):
        yield _assembled(tuple(qmp.settings(source)), ())
    elif of_proxmox := proxmox_conf.read(source)[0]:
        yield of_proxmox[0]
    else:
        yield _command(split(source))


def _command(words: Sequence[Word]) -> Command:
    if not words:
        raise CommandLineError("command line", "empty")
    for argument in arguments(words):
        if argument.option in OPTIONS and argument.value is None:
            raise CommandLineError(str(argument), "has no value")
    return _assembled(*settings_of(words))


def _assembled(settings: Sequence[Setting], misread: Sequence[tuple[Met, FaultyPlace]]) -> Command:
    has_bus = any("bus" in one.properties for one in settings if passes_through(one))
    return Command(
        line=1,
        program="qemu",
        closed=True,
        settings=tuple(settings),
        misread=tuple(misread),
        correct=lambda _: "",
        read=lambda _: [],
        controller=None if has_bus else VIRTIO_SCSI,
    )


def _check_names(command: Command) -> None:
    """Refuse names that QEMU refuses."""
    for setting in command.of("object", "blockdev", "drive"):
        given, place = setting.properties, setting.argument
        if given.get("qom-type") == MANAGER and "id" not in given:
            raise CommandLineError(str(place), "id is missing")
        if "id" in given:
            check_id(f"{place}: id", given["id"])
        if "node-name" in given:
            check_node_name(f"{place}: node-name", given["node-name"])


def _refuse_faults(command: Command) -> None:
    for fault in FAULTS:
        for found in fault.find(command) if fault.name not in _OF_DISKS else ():
            if found.certain:
                line = f"line {found.line}: " if found.line else ""
                raise CommandLineError(line + found.what, fault.why, fault.remedy)


def _reserved(command: Command) -> Iterator[tuple[Setting, OpenedDisk, Setting]]:
    """Give the devices that pass a disk through, the disk, and its manager."""
    for device in filter(passes_through, command.devices):
        references = command.references_of(device)
        for disk in command.disks:
            if disk.reference in references:
                reference = disk.reference
                helper = command.managers.get(reference.manager)
                if helper is None:  # a placeholder; any other name is a fault, and told before
                    what = f"{reference.manager} stands for the id of a manager"
                    where = str(reference.setting.argument)
                    raise CommandLineError(where, what, "write the id out")
                if not disk.path:
                    raise CommandLineError(str(disk.setting.argument), f"{disk.key} is missing")
                for setting in (device, reference.setting, disk.setting, helper):
                    _check_literal(setting)
                yield device, disk, helper


def _check_literal(setting: Setting) -> None:
    if setting.argument.value and setting.argument.value.expands:
        raise CommandLineError(
            str(setting.argument),
            "the shell would expand the $ or the backquote in it",
            "write out what it stands for, or put it in single quotes",
        )


def _migrates(device: Setting) -> bool | None:
    value = device.properties.get("migrate-pr")
    if value is not None and value not in _SWITCH:
        raise CommandLineError(
            str(device.argument), f"migrate-pr={value!r} is no switch", "write on or off"
        )
    return None if value is None else _SWITCH[value]


def _is_managed(text: str) -> bool:
    """Tell whether libvirt starts the helper of a text's disks."""
    sources = [disk.first("source") for disk in elements.read(text).all("disk")]
    given = [one.first("reservations").attributes for one in sources if one.has("reservations")]
    return bool(given) and _only("managed", [one.get("managed") for one in given]) == "yes"


def _only(what: str, values: Sequence[_T]) -> _T:
    first, *others = values
    for other in others:
        if other != first:
            raise CommandLineError(
                what, f"{first} for one disk and {other} for another", "use one for all of them"
            )
    return first
