"""Disks of LIO, the kernel's SCSI target, that any number of hosts (I_T nexuses) share."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from waiting import wait_for

CONFIGFS = Path("/sys/kernel/config/target")
BACKING_FILES = Path("/run/lab")  # memory: a disk costs what is written to it
SIZE = 16 << 20


@dataclass(frozen=True)
class Host:
    """One host's view of a disk.

    Attributes:
        initiator: The name of its initiator port: `naa.` and 16 hexadecimal digits.
        disk: Its block node, `/dev/sdX`.
        generic: Its SCSI generic node, `/dev/sgX`.
    """

    initiator: str
    disk: str
    generic: str

    def can_write(self) -> bool:
        """Write a block, and tell whether the disk let it."""
        command = ["dd", "if=/dev/zero", "bs=512", "count=1", "oflag=direct", f"of={self.disk}"]
        return subprocess.run(command, capture_output=True).returncode == 0


@dataclass(frozen=True)
class SharedDisk:
    """One disk and the hosts that share it, in the order of their relative target ports."""

    name: str
    hosts: list[Host]

    def remove(self) -> None:
        for host in self.hosts:
            _disconnect(host.initiator)
        _backstore(self.name).rmdir()
        (BACKING_FILES / self.name).unlink()


def create_disk(name: str, hosts: int, first: int = 1) -> SharedDisk:
    """Create an empty disk.

    A disk that is removed and created again is the same disk, with nothing left of its
    reservations: it has the same identifiers, and its generation counts from 0.

    Args:
        name: The disk's name, which is its serial number too.
        hosts: How many hosts share it.
        first: The number of the first host, which ends the name of its initiator port.
    """
    BACKING_FILES.mkdir(exist_ok=True)
    (BACKING_FILES / name).touch()
    os.truncate(BACKING_FILES / name, SIZE)
    backstore = _backstore(name)
    backstore.mkdir(parents=True)
    (backstore / "control").write_text(f"fd_dev_name={BACKING_FILES / name},fd_dev_size={SIZE}")
    (backstore / "wwn/vpd_unit_serial").write_text(name)
    (backstore / "enable").write_text("1")
    return SharedDisk(
        name,
        [
            _connect(f"naa.600140500000{first + number:04}", backstore, port=number + 1)
            for number in range(hosts)
        ],
    )


@contextmanager
def other_disks(count: int) -> Iterator[list[Host]]:
    """Have disks of another driver for the length of a `with`: many of LIO's take minutes."""
    if not count:
        yield []
        return
    before = _disks()
    subprocess.run(["modprobe", "scsi_debug", f"max_luns={count}", "dev_size_mb=8"], check=True)
    wait_for(lambda: len(_disks() - before) == count, f"{count} disks")
    yield [Host("", str(disk), "") for disk in sorted(_disks() - before)]
    remove = ["modprobe", "-r", "scsi_debug"]
    wait_for(lambda: subprocess.run(remove).returncode == 0, "other disks to be closed")


def _disks() -> set[Path]:
    return set(Path("/dev").glob("sd*"))


def _backstore(name: str) -> Path:
    return CONFIGFS / "core/fileio_0" / name


def _target_port_group(initiator: str) -> Path:
    return CONFIGFS / "loopback" / initiator.replace("naa.60014050", "naa.60014051") / "tpgt_1"


def _connect(initiator: str, backstore: Path, port: int) -> Host:
    group = _target_port_group(initiator)
    group.mkdir(parents=True)
    if (group / "rtpi").exists():  # Linux 6.1 counts by itself, and later ones give all of them 0
        (group / "rtpi").write_text(f"{port}\n")
    (group / "nexus").write_text(initiator)
    (group / "lun/lun_0").mkdir()
    (group / "lun/lun_0/backstore").symlink_to(backstore)
    scsi_host = (group / "address").read_text().split(":")[0]
    device = Path("/sys/class/scsi_device", f"{scsi_host}:0:1:0", "device")
    # Waiting for one host before the next connects keeps the nodes' letters in order.
    return Host(initiator, node(device / "block"), node(device / "scsi_generic"))


def node(directory: Path) -> str:
    """Give the node of the device in a folder of sysfs, once it is there."""

    def found() -> str | None:
        nodes = (Path("/dev", entry.name) for entry in directory.glob("*"))
        return next((str(one) for one in nodes if one.exists()), None)

    return wait_for(found, f"a device in {directory}")


def _disconnect(initiator: str) -> None:
    group = _target_port_group(initiator)
    (group / "lun/lun_0/backstore").unlink()
    for directory in (group / "lun/lun_0", group, group.parent):
        directory.rmdir()
