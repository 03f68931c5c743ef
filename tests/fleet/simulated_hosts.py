"""Simulated hosts that share simulated disks: a directory each with /dev, /etc, /proc and /sys."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qemu_pr.cli.qemu_pr import main
from qemu_pr.devices.simulated import SimulatedDevice
from qemu_pr.manager import ConnectError, PRManagerHelper
from qemu_pr.scsi.commands import OutServiceAction as Out
from qemu_pr.scsi.commands import PersistentReserveOut
from qemu_pr.scsi.parameter_lists import ParameterList
from qemu_pr.scsi.status import Status

PATIENCE = 20.0  # seconds; the machine may be busy
HELPER = (sys.executable, "-m", "qemu_pr.cli.qemu_pr_helper")
SOCKET = "/run/qemu-pr-helper.sock"
KEYS = (0xA, 0xB, 0xC, 0xD)
DISK = "naa.60014050000000000000000000000001"


def vpd_page(naa: str, port: int = 1) -> bytes:
    """Make a Device Identification VPD page: a NAA name, and a relative target port."""
    name = bytes.fromhex(naa)
    unit = bytes([1, 0x03, 0, len(name)]) + name
    target_port = bytes([0x61, 0x94, 0, 4, 0, 0]) + port.to_bytes(2, "big")
    length = len(unit + target_port)
    return bytes([0, 0x83]) + length.to_bytes(2, "big") + unit + target_port


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


class SimulatedHost:
    """A host; its initiator port is a SAS port, and its guests are command lines in /proc."""

    def __init__(self, folder: Path, name: str, number: int) -> None:
        self.name = name
        self.root = folder / name
        self.port = f"naa.600140500000000{number:x}"
        self._number = number
        self._state = folder / "state.db"
        self._process: subprocess.Popen[bytes] | None = None
        for directory in ("dev", "run", "proc", "sys/block", "sys/class"):
            (self.root / directory).mkdir(parents=True)
        (self.root / "var").symlink_to(self.root)
        (self.root / "proc/net").symlink_to("/proc/net")
        (self.root / "proc/self").symlink_to("/proc/self")
        (self.root / "proc/1").symlink_to("/proc/1")
        write(self.root / "etc/hostname", f"{name}\n")
        write(self.root / "sys/class/sas_phy/phy-0:0/sas_address", f"0x{self.port[4:]}\n")

    @property
    def socket(self) -> str:
        return f"{self.root}{SOCKET}"

    def add_disk(self, image: Path, name: str = "sda", naa: str = DISK[4:], port: int = 1) -> None:
        """See a file as a SCSI disk."""
        image.touch()
        (self.root / "dev" / name).symlink_to(image)
        address = f"0:0:{len(list((self.root / 'sys/block').iterdir()))}:0"
        device = self.root / "sys/devices/host0" / address
        write(device / "vpd_pg83", vpd_page(naa, port))
        write(device / "state", "running\n")
        block = self.root / "sys/block" / name
        block.mkdir()
        (block / "device").symlink_to(device)

    def add_map(self, name: str, wwid: str, slaves: Sequence[str], image: Path) -> None:
        """Join paths to a multipath map."""
        image.touch()
        (self.root / "dev/mapper").mkdir(exist_ok=True)
        (self.root / "dev/mapper" / name).symlink_to(image)
        block = next(
            one
            for number in range(1 << 20)
            if not (one := self.root / f"sys/block/dm-{number}").exists()
        )
        write(block / "dm/name", f"{name}\n")
        write(block / "dm/uuid", f"mpath-{wwid}\n")
        for slave in slaves:
            (block / "slaves" / slave).mkdir(parents=True)

    def start_helper(self) -> None:
        """Start a helper on the default socket, which need not serve yet."""
        state = ("--simulate", str(self._state), "--initiator", self.port)
        self._process = subprocess.Popen([*HELPER, "-q", "-k", self.socket, *state])

    def wait_for_helper(self) -> None:
        """Let the helper serve, and see its processes in /proc, and no others."""
        assert self._process is not None
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                PRManagerHelper(self.socket).close()
                break
            except ConnectError:
                assert self._process.poll() is None, "the helper ended"
                assert time.monotonic() < deadline, "the helper does not serve"
                time.sleep(0.005)
        for entry in Path("/proc").iterdir():
            link = self.root / "proc" / entry.name
            if entry.name.isdigit() and not link.exists() and self._is_of(entry, self._process.pid):
                link.symlink_to(entry)

    @staticmethod
    def _is_of(entry: Path, pid: int) -> bool:
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return False
        return pid in (int(entry.name), int(fields[1]))

    def stop_helper(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None
        for link in (self.root / "proc").iterdir():
            if link.is_symlink() and link.name.isdigit() and link.name != "1":
                link.unlink()

    def run_guest(self, name: str, *disks: str) -> None:
        """Show a QEMU in /proc that has these disks with reservations."""
        pid = 2_000_000_000 + self._number * 10 + len(list((self.root / "proc").glob("2*")))
        process = self.root / "proc" / str(pid)
        words = ["qemu-system-x86_64", "-name", f"guest={name}", "-device", "virtio-scsi"]
        words += ["-object", f"pr-manager-helper,id=helper0,path={SOCKET}"]
        for number, disk in enumerate(disks):
            node = f"node-name=hd{number},driver=raw,file.driver=host_device"
            manager = f"file.filename={disk},file.pr-manager=helper0"
            words += ["-blockdev", f"{node},{manager}", "-device", f"scsi-block,drive=hd{number}"]
        write(process / "cmdline", "".join(f"{word}\0" for word in words))
        (process / "ns").mkdir()
        (process / "ns/mnt").symlink_to("mnt:[1]")
        (process / "root").symlink_to(self.root)

    def out(self, action: Out, key: int, new: int = 0, type_: int = 0, disk: str = "sda") -> None:
        """Carry out PERSISTENT RESERVE OUT as the host does, without a helper."""
        data = ParameterList(key, new).encode()
        cdb = PersistentReserveOut(action, len(data), type=type_).encode().ljust(16, b"\0")
        fd = os.open(self.root / "dev" / disk, os.O_RDWR)
        device = SimulatedDevice(str(self._state), self.port)
        try:
            assert device.execute(fd, cdb, data).status == Status.GOOD
        finally:
            device.close()
            os.close(fd)

    def register(self, key: int) -> None:
        self.out(Out.REGISTER_AND_IGNORE_EXISTING_KEY, 0, key)

    def report(self, capsys: Any, *options: str) -> dict[str, Any]:
        """Run qemu-pr report, and give what it printed."""
        capsys.readouterr()
        assert main(["report", "--root", str(self.root), *options]) == 0
        report: dict[str, Any] = json.loads(capsys.readouterr().out)
        return report


def three_hosts(folder: Path) -> list[SimulatedHost]:
    """One disk; node1 holds it, node2 has no helper, and a key of a host that is gone is stale."""
    image = folder / "disk.img"
    nodes = [SimulatedHost(folder, f"node{number}", number) for number in (1, 2, 3, 4)]
    for node, guest, key in zip(nodes, ("alice", "bob", "carol", "dave"), KEYS, strict=True):
        node.add_disk(image)
        node.run_guest(guest, "/dev/sda")
        node.register(key)
    nodes[0].out(Out.RESERVE, KEYS[0], type_=5)
    shutil.rmtree(nodes.pop().root)
    for node in (nodes[0], nodes[2]):
        node.start_helper()
    for node in (nodes[0], nodes[2]):
        node.wait_for_helper()
    return nodes


def fence(by: SimulatedHost, key: int) -> None:
    """Have node1 take a node's registration away."""
    by.out(Out.PREEMPT, KEYS[0], key, type_=5)
