"""The faults that are looked for: a new one is an entry here and a function in a module beside."""

from qemu_pr.lint.faults import devices, disks, managers, reading, sockets
from qemu_pr.lint.faults.fault import Fault
from qemu_pr.lint.met import Met

FAULTS = (
    reading.fault(
        Met.MISSING_BACKSLASH,
        "the shell takes the next line for another command, and QEMU starts without it",
        "end the line with a blank and a backslash",
    ),
    reading.fault(
        Met.BLANK_BEHIND_BACKSLASH,
        "a backslash continues a line only if nothing is behind it",
        "take the blank away",
    ),
    reading.fault(
        Met.COMMENT_BETWEEN,
        "the shell ends the command at a comment between its lines",
        "put the comment before the command",
    ),
    reading.fault(
        Met.OPEN_QUOTE,
        "a quote that stays open takes in all that follows",
        "close it",
    ),
    reading.fault(
        Met.BLANK_IN_VALUE,
        "QEMU takes what is behind a blank for the name of a disk image",
        "take the blank away",
    ),
    reading.fault(
        Met.UNREADABLE_OPTION,
        "QEMU does not understand it, and does not start",
        "write key=value, with commas in values doubled, or JSON",
    ),
    reading.fault(
        Met.NOT_READ,
        "this was not read as a command line, so nobody has checked it",
        "give lint what QEMU gets: qemu-pr lint /proc/PID/cmdline of the guest that runs",
    ),
    reading.fault(
        Met.MISPLACED_RESERVATIONS,
        "libvirt reads <reservations> in <source> only, and ignores them elsewhere",
        "move them into <source>",
    ),
    reading.fault(
        Met.MANAGED,
        "libvirt wants managed='yes', or managed='no' and a <source> with type, path and mode",
        "write managed='yes', or name the helper's socket",
    ),
    Fault(
        "unknown-property",
        "pr-manager-helper has the property path only, and QEMU does not start",
        "write path=SOCKET, and nothing else",
        managers.properties,
    ),
    Fault(
        "manager-on-device",
        "no -device has the property pr-manager, and QEMU does not start",
        "move it to the -blockdev or -drive of the disk, as file.pr-manager",
        managers.on_device,
    ),
    Fault(
        "format-node",
        "only the node that opens the disk knows pr-manager, and the format node on it refuses it",
        "write file.pr-manager, or move it to the -blockdev that opens the disk",
        managers.on_format_node,
    ),
    Fault(
        "not-host-device",
        "of QEMU's block drivers only host_device hands reservations to a manager",
        "open a disk, with driver=host_device",
        disks.other_driver,
    ),
    Fault(
        "no-manager",
        "there is no manager, and QEMU does not start",
        "add -object pr-manager-helper with this id",
        managers.none,
    ),
    Fault(
        "unknown-manager",
        "no manager has this id, and QEMU does not start",
        "name the manager by its id",
        managers.unknown,
    ),
    Fault(
        "unused-manager",
        "no disk names the manager, and reservations of the guest fail",
        "add file.pr-manager=ID to the -blockdev or -drive of the disk",
        managers.unused,
    ),
    Fault(
        "no-reservations",
        "the disk has no manager, and QEMU refuses every reservation of the guest",
        "add file.pr-manager=ID and -object pr-manager-helper, or <reservations managed='yes'/>",
        managers.unreserved,
    ),
    Fault(
        "duplicate-id",
        "the name is taken already, and QEMU does not start",
        "choose another",
        managers.duplicates,
    ),
    Fault(
        "socket-path",
        "QEMU needs the absolute path of the helper's socket, of 107 bytes at most",
        "write the path that qemu-pr-helper -k has, from the root /",
        sockets.path,
    ),
    Fault(
        "other-socket",
        "the helper that the same text starts listens on another socket",
        "write the same path in both places",
        sockets.other,
    ),
    Fault(
        "unknown-disk",
        "no -blockdev or -drive has this name, and QEMU does not start",
        "name the disk's node name or id",
        devices.unknown_disk,
    ),
    Fault(
        "emulated-disk",
        "QEMU emulates a disk and answers reservations itself; none reaches the real disk",
        "use scsi-block",
        devices.emulated,
    ),
    Fault(
        "drive-interface",
        "without if=none QEMU emulates a disk, and no reservation reaches the real one",
        "write if=none, and give the drive to -device scsi-block",
        devices.interface,
    ),
    Fault(
        "no-device",
        "no -device has the disk, and the guest does not see it",
        "add -device scsi-block with the disk's id or node name",
        devices.no_device,
    ),
    Fault(
        "no-controller",
        "there is no SCSI bus for the disk, and QEMU does not start",
        "add -device virtio-scsi",
        devices.no_controller,
    ),
    Fault(
        "wrong-device-file",
        "QEMU does not take this kind of device file for this device, and does not start",
        "use scsi-block with /dev/sdX, scsi-generic with /dev/sgN",
        devices.wrong_file,
    ),
    Fault(
        "image-format",
        "a disk that is passed through is raw, and QEMU and libvirt take no other format for it",
        "write raw",
        disks.other_format,
    ),
    Fault(
        "read-only",
        "a disk that is opened for reading only refuses every PERSISTENT RESERVE OUT",
        "open it for writing",
        disks.read_only,
    ),
    Fault(
        "partition",
        "reservations are made for whole disks, and partitions take no SCSI commands",
        "pass the whole disk through",
        disks.partition,
    ),
    Fault(
        "not-scsi",
        "it is no SCSI disk, and takes no SCSI commands; QEMU does not start",
        "pass a SCSI disk through: /dev/sdX, or a multipath map",
        disks.not_scsi,
    ),
    Fault(
        "one-path",
        "the disk is one path of a multipath map, and the registration is lost with the path",
        "pass the map through",
        disks.one_path,
    ),
)
"""All faults, in the order in which they are corrected."""
