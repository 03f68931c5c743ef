"""QMP commands that plug disks into a running virtual machine, and that take them away again."""

from collections.abc import Iterator

from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.model import ReservedDisks
from qemu_pr.command_line.notation import Properties, from_json, read_json, to_json
from qemu_pr.command_line.options import Argument, Setting
from qemu_pr.command_line.wiring import Wiring, block_node, wire

# Which QMP command does what an option does, which one undoes it, and by what name it is known.
_COMMANDS = {
    "object": ("object-add", "object-del", "id"),
    "blockdev": ("blockdev-add", "blockdev-del", "node-name"),
    "device": ("device_add", "device_del", "id"),
}


def plug(disks: ReservedDisks) -> str:
    """Give the commands that plug the disks in, one a line, to paste into a QMP monitor.

    Args:
        disks: The disks to wire to their helper.

    Raises:
        CommandLineError: A path is no UTF-8 text that QEMU's JSON takes.
    """
    return "\n".join(_command(_COMMANDS[option][0], given) for option, given in _wiring(disks))


def unplug(disks: ReservedDisks) -> str:
    """Give the commands that undo `plug`, last things first.

    QEMU unplugs devices in its own time. What they use is free once it has told of each by the
    event DEVICE_DELETED; an empty line stands where that has to be waited for.

    Args:
        disks: What the commands to undo were made from.
    """
    wiring = list(reversed(_wiring(disks)))
    at_once = [_undo(option, given) for option, given in wiring if "drive" in given]
    afterwards = [_undo(option, given) for option, given in wiring if "drive" not in given]
    return "\n".join([*at_once, "", *afterwards])


def _wiring(disks: ReservedDisks) -> Wiring:
    wiring = wire(disks, block_node, {"driver": "virtio-scsi", "id": f"{disks.name}-scsi"})
    # A device is unplugged by its id. It may be the name of its node: QEMU keeps them apart.
    return [
        (option, {**given, "id": given["drive"]} if "drive" in given else given)
        for option, given in wiring
    ]


def _undo(option: str, given: Properties) -> str:
    _, command, key = _COMMANDS[option]
    return _command(command, {key: given[key]})


def _command(name: str, arguments: Properties) -> str:
    return to_json({"execute": name, "arguments": arguments})


def settings(text: str) -> Iterator[Setting]:
    """Read what a sequence of QMP commands sets, one command a line.

    Args:
        text: The commands. Those that plug in nothing are passed over.

    Raises:
        CommandLineError: A line is no QMP command.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            command = read_json(line)
            for option, (add, _, _) in _COMMANDS.items():
                if from_json(command).get("execute") == add:
                    argument = Argument(option, None, number, place=add)
                    yield Setting(argument, from_json(command.get("arguments", {})))
        except CommandLineError as error:
            raise CommandLineError(f"line {number}", f"no QMP command: {error}") from None
