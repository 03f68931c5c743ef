"""A virtual machine's reserved disks: the one value that every rendering starts from."""

import os
import re

from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.identifiers import check_id, check_node_name
from qemu_pr.record import Record

DEFAULT_SOCKET = "/var/run/qemu-pr-helper.sock"
DEFAULT_HELPER_ID = "helper0"
SOCKET_PATH_MAX = 107  # bytes: sun_path has 108, with the terminating zero (unix(7))
DISK_PATH_MAX = 4095  # bytes: PATH_MAX is 4096, with the terminating zero


class PassthroughDevice(Record):
    """What one of QEMU's SCSI passthrough devices works with (measured with QEMU 7.2).

    Attributes:
        takes: The kind of disk it takes, in words.
        unwanted: Names that the kernel only gives to disks that QEMU refuses for it.
        complaint: What QEMU says when it refuses one.
        migrates_pr: QEMU 11.0 gave it the property ``migrate-pr``.
    """

    takes: str
    unwanted: re.Pattern[str]
    complaint: str
    migrates_pr: bool


DEVICES = {
    "scsi-block": PassthroughDevice(
        takes="a block device, such as /dev/sdb or /dev/mapper/mpatha",
        unwanted=re.compile(r"/dev/sg\d+"),
        complaint="unwanted /dev/sg*",
        migrates_pr=True,
    ),
    "scsi-generic": PassthroughDevice(
        takes="a SCSI generic device, such as /dev/sg1 (lsscsi -g names each disk's)",
        unwanted=re.compile(r"/dev/(sd[a-z]+\d*|dm-\d+|mapper/.+)"),
        complaint="SG_GET_SCSI_ID ioctl failed",
        migrates_pr=False,
    ),
}


class ReservedDisks(Record, beside=("name", "bus")):
    """Disks of one virtual machine whose reservations go through one helper.

    Paths are what ``os.fsdecode`` makes of the bytes, so those that are not text come through.

    Attributes:
        disks: Paths of the disks, at least one, no two the same. QEMU takes each literally, even
            if it looks like ``nbd:…`` or is relative to the directory that QEMU is started in.
        socket: Absolute path of the helper's socket, at most 107 bytes.
        helper_id: The id of the ``pr-manager-helper`` object.
        device: The passthrough device, a key of `DEVICES`.
        migrate_pr: Whether live migration moves the reservations (QEMU 11.0 and later); None
            leaves it to the machine type.
        managed: libvirt starts a helper for this virtual machine alone, and chooses its socket;
            without libvirt there is no such thing.
        name: What QEMU calls the disks, or with a number behind it if there are several. It says
            nothing of reservations: values that differ only here or in `bus` are equal.
        bus: The bus of a SCSI controller that the virtual machine has anyway, such as
            ``scsi0.0``; None if it needs a controller.

    Raises:
        CommandLineError: QEMU would refuse the value, or take it for another.
    """

    disks: tuple[str, ...]
    socket: str = DEFAULT_SOCKET
    helper_id: str = DEFAULT_HELPER_ID
    device: str = "scsi-block"
    migrate_pr: bool | None = None
    managed: bool = False
    name: str = "hd"
    bus: str | None = None

    def __post_init__(self) -> None:
        if not self.disks:
            raise CommandLineError("disks", "there are none", "name at least one disk")
        for disk in self.disks:
            _check_path("disk", disk, DISK_PATH_MAX)
        _check_distinct(self.disks)
        _check_path("socket", self.socket, SOCKET_PATH_MAX)
        if not self.socket.startswith("/"):
            raise CommandLineError(
                f"socket {self.socket!r}",
                "not an absolute path, and QEMU and the helper may run in different directories",
                "write the whole path, from the root /",
            )
        if self.managed and self.socket != DEFAULT_SOCKET:
            raise CommandLineError(
                f"socket {self.socket!r}",
                "libvirt chooses the socket of a helper that it manages",
                "leave the socket out, or start the helper yourself",
            )
        check_id("helper id", self.helper_id)
        if self.bus is not None:
            check_id("bus", self.bus)
        for name in self.names:
            check_node_name("name", name)
        if self.helper_id in self.names:
            raise CommandLineError(
                f"helper id {self.helper_id!r}", "also the id of a disk", "choose another"
            )
        if self.device not in DEVICES:
            raise CommandLineError(
                f"device {self.device!r}",
                "passes no reservations to a helper",
                f"use {' or '.join(DEVICES)}",
            )
        if self.migrate_pr is not None and not DEVICES[self.device].migrates_pr:
            raise CommandLineError(
                f"migrate-pr with {self.device}",
                "QEMU has this property for scsi-block only",
                "leave it out, or use scsi-block",
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Node names or drive ids of the disks, ``hd`` for one, ``hd0``, ``hd1``, … for several."""
        if len(self.disks) == 1:
            return (self.name,)
        return tuple(f"{self.name}{number}" for number in range(len(self.disks)))


def _check_path(what: str, path: str, longest: int) -> None:
    if not path:
        raise CommandLineError(f"{what} ''", "an empty path")
    if "\0" in path:
        raise CommandLineError(f"{what} {path!r}", "a path cannot hold a zero byte")
    try:
        size = len(os.fsencode(path))
    except UnicodeEncodeError as error:
        raise CommandLineError(
            f"{what} {path!r}", f"no file name: character {error.start} has no bytes"
        ) from None
    if size > longest:
        raise CommandLineError(
            f"{what} {path!r}",
            f"{size} bytes long, and Linux takes {longest} at most",
            "use a shorter path, or a symbolic link",
        )


def _check_distinct(disks: tuple[str, ...]) -> None:
    spellings: dict[str, str] = {}
    for disk in disks:
        plain = os.path.normpath(disk)
        if plain.startswith("//"):  # apart from one slash, as POSIX allows; Linux does not
            plain = plain[1:]
        if plain in spellings:
            first = spellings[plain]
            raise CommandLineError(
                f"disk {disk!r}",
                "given twice" if first == disk else f"the same disk as {first!r}",
                "name each disk once",
            )
        spellings[plain] = disk
