"""What QEMU has to be told, whatever the notation: a controller, the helper, nodes and devices."""

from collections.abc import Callable

from qemu_pr.command_line.model import ReservedDisks
from qemu_pr.command_line.notation import Properties

Wiring = list[tuple[str, Properties]]
Backend = Callable[[ReservedDisks, str, str], tuple[str, Properties]]


def wire(disks: ReservedDisks, backend: Backend) -> Wiring:
    """Say which options QEMU needs, in order, and the properties of each.

    Args:
        disks: The disks to wire to their helper.
        backend: What opens one disk: `block_node` or `drive`.

    Returns:
        Pairs of an option's name without dashes and its properties.
    """
    options: Wiring = [
        ("device", {"driver": "virtio-scsi"}),
        (
            "object",
            {"qom-type": "pr-manager-helper", "id": disks.helper_id, "path": disks.socket},
        ),
    ]
    migration = {} if disks.migrate_pr is None else {"migrate-pr": disks.migrate_pr}
    for name, path in zip(disks.names, disks.disks, strict=True):
        options.append(backend(disks, name, path))
        options.append(("device", {"driver": disks.device, "drive": name, **migration}))
    return options


def block_node(disks: ReservedDisks, name: str, path: str) -> tuple[str, Properties]:
    """Open a disk with ``-blockdev``."""
    file = {"driver": "host_device", "filename": path, "pr-manager": disks.helper_id}
    return "blockdev", {"node-name": name, "driver": "raw", "file": file}


def drive(disks: ReservedDisks, name: str, path: str) -> tuple[str, Properties]:
    """Open a disk with ``-drive``; QEMU finds out itself that it is a host device."""
    file = {"filename": path, "pr-manager": disks.helper_id}
    return "drive", {"if": "none", "id": name, "driver": "raw", "file": file}
