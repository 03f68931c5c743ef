"""After the install, doctor says what gives a disk to a guest of this host."""

from collections.abc import Callable
from pathlib import Path

import pytest

from qemu_pr.doctor.checks import examine
from qemu_pr.doctor.host import Host

GUEST = "qemu-system-x86_64\0-object\0pr-manager-helper,id=h,path=/run/nosuch.sock\0"


def nothing(_root: Path) -> None: ...


def libvirt(root: Path) -> None:
    (root / "etc/libvirt").mkdir(parents=True)
    (root / "etc/libvirt/qemu.conf").touch()


def proxmox(root: Path) -> None:
    (root / "etc/pve").mkdir(parents=True)


def maps(root: Path) -> None:
    disk = root / "sys/block/dm-3/dm"
    disk.mkdir(parents=True)
    (disk / "uuid").write_text("mpath-36001405000000001\n")
    (disk / "name").write_text("mpatha\n")


def advice(root: Path, *disks: str, socket: str | None = None) -> str:
    """Give what doctor says comes next on the host with this root; nothing if it does not say."""
    results = examine(Host.below(root, disks, socket))
    return "".join(result.advice for check, result in results if check.name == "next-step")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host that runs nothing but its first process."""
    (tmp_path / "proc/1").mkdir(parents=True)
    (tmp_path / "proc/net").mkdir()
    (tmp_path / "proc/net/unix").write_text("Num\n")
    return tmp_path


@pytest.mark.parametrize(
    ("prepare", "command"),
    [
        (nothing, "qemu-pr command-line /dev/disk/by-id/..."),
        (libvirt, "qemu-pr command-line --format libvirt /dev/disk/by-id/..."),
        (proxmox, "qemu-pr command-line --format proxmox /dev/disk/by-id/..."),
        (maps, "qemu-pr command-line /dev/mapper/mpatha"),
    ],
)
def test_the_command_fits_what_the_host_has(
    prepare: Callable[[Path], None], command: str, root: Path
) -> None:
    prepare(root)

    assert advice(root).endswith(f": {command}")


def test_maps_are_to_be_checked_first(root: Path) -> None:
    maps(root)

    assert "qemu-pr multipath-conf --check" in advice(root)


def test_the_disk_is_the_one_that_was_named(root: Path) -> None:
    assert advice(root, "/dev/sdb").endswith(" /dev/sdb")


def test_a_host_with_a_guest_needs_no_advice(root: Path) -> None:
    (root / "proc/2").mkdir()
    (root / "proc/2/cmdline").write_text(GUEST)

    assert advice(root) == ""


def test_who_asks_about_one_helper_is_told_of_that_only(root: Path) -> None:
    assert advice(root, socket="/run/pr.sock") == ""
