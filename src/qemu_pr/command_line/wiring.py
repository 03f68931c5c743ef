"""What QEMU has to be told, whatever the notation: a controller, the helper, nodes and devices."""

from collections.abc import Callable

from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.model import ReservedDisks
from qemu_pr.command_line.notation import Properties

VIRTIO_SCSI: Properties = {"driver": "virtio-scsi"}

Wiring = list[tuple[str, Properties]]
Backend = Callable[[ReservedDisks, str, str], tuple[str, Properties]]


def wire(disks: ReservedDisks, backend: Backend, controller: Properties = VIRTIO_SCSI) -> Wiring:
    """Say which options QEMU needs, in order, and the properties of each.

    Args:
        disks: The disks to wire to their helper.
        backend: What opens one disk: `block_node` or `drive`.
        controller: The controller's properties, if one is needed. With an id, the disks name its
            bus; without, QEMU finds them one.

    Returns:
        Pairs of an option's name without dashes and its properties.

    Raises:
        CommandLineError: The helper is one that libvirt manages.
    """
    if disks.managed:
        raise CommandLineError(
            "managed", "only libvirt starts a helper itself", "use --format libvirt, or start one"
        )
    bus = disks.bus or ("id" in controller and f"{controller['id']}.0")
    placed = {"bus": bus} if bus else {}
    migration = {} if disks.migrate_pr is None else {"migrate-pr": disks.migrate_pr}
    options: Wiring = [] if disks.bus else [("device", controller)]
    helper = {"qom-type": "pr-manager-helper", "id": disks.helper_id, "path": disks.socket}
    options.append(("object", helper))
    for name, path in zip(disks.names, disks.disks, strict=True):
        options.append(backend(disks, name, path))
        options.append(("device", {"driver": disks.device, "drive": name, **placed, **migration}))
    return options


def block_node(disks: ReservedDisks, name: str, path: str) -> tuple[str, Properties]:
    """Open a disk with ``-blockdev``."""
    file = {"driver": "host_device", "filename": path, "pr-manager": disks.helper_id}
    return "blockdev", {"node-name": name, "driver": "raw", "file": file}


def drive(disks: ReservedDisks, name: str, path: str) -> tuple[str, Properties]:
    """Open a disk with ``-drive``; QEMU finds out itself that it is a host device."""
    file = {"filename": path, "pr-manager": disks.helper_id}
    return "drive", {"if": "none", "id": name, "driver": "raw", "file": file}
