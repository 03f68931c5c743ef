"""WWIDs are told as multipath has them, or not at all."""

import os
from pathlib import Path

import pytest

from qemu_pr.host.wwids import Devices, Map, WwidError
from qemu_pr.multipath_conf import typed_wwids
from qemu_pr.multipath_conf.errors import MultipathConfError

WWID = "3600140500000000a0000000000000001"
SDA, DM0 = os.makedev(8, 0), os.makedev(253, 0)


@pytest.fixture
def host(tmp_path: Path) -> Devices:
    return Devices(sys=tmp_path / "sys", udev=tmp_path / "udev")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def make_map(host: Devices, uuid: str, name: str = "mpatha") -> Path:
    directory = host.sys / "block" / "dm-0"
    write(directory / "dm" / "uuid", f"{uuid}\n")
    write(directory / "dm" / "name", f"{name}\n")
    (host.sys / "dev" / "block").mkdir(parents=True, exist_ok=True)
    (host.sys / "dev" / "block" / "253:0").symlink_to(directory)
    return directory


def test_a_map_has_its_wwid_in_its_uuid(host: Devices) -> None:
    make_map(host, f"mpath-{WWID}")

    assert host.wwid_of_number("/dev/dm-0", DM0) == WWID
    assert host.maps() == [Map("mpatha", WWID)]


def test_a_path_of_a_map_has_the_map_s(host: Devices) -> None:
    directory = make_map(host, f"mpath-{WWID}")
    write(host.sys / "dev" / "block" / "8:0" / "device" / "wwid", "naa.5000000000000001\n")
    (host.sys / "dev" / "block" / "8:0" / "holders").mkdir()
    (host.sys / "dev" / "block" / "8:0" / "holders" / "dm-0").symlink_to(directory)

    assert host.wwid_of_number("/dev/sda", SDA) == WWID


def test_udev_knows_better_than_the_kernel(host: Devices) -> None:
    write(
        host.udev / "b8:0", f"S:disk/by-id/x\nE:ID_SERIAL_SHORT=6\nE:ID_SERIAL={WWID}\nG:systemd\n"
    )
    write(host.sys / "dev" / "block" / "8:0" / "device" / "wwid", "naa.5000000000000001\n")

    assert host.wwid_of_number("/dev/sda", SDA) == WWID


@pytest.mark.parametrize("digits", [WWID[1:], "5000c500a1b2c3d4"])
def test_the_kernel_s_naa_identifier_will_do(host: Devices, digits: str) -> None:
    write(host.sys / "dev" / "block" / "8:0" / "device" / "wwid", f"naa.{digits}\n")

    assert host.wwid_of_number("/dev/sda", SDA) == f"3{digits}"


@pytest.mark.parametrize("identifier", ["t10.ATA     DISK    1", "eui.0011223344556677", "naa.12"])
def test_another_identifier_is_not_certain(host: Devices, identifier: str) -> None:
    write(host.sys / "dev" / "block" / "8:0" / "device" / "wwid", f"{identifier}\n")

    with pytest.raises(WwidError, match=r"cannot be told for certain .*scsi_id"):
        host.wwid_of_number("/dev/sda", SDA)


@pytest.mark.parametrize(
    ("uuid", "why"),
    [
        (f"part1-mpath-{WWID}", "it is a partition of a map; name the map itself"),
        ("LVM-abc", "it is no multipath map"),
        ("", "it is no multipath map"),
    ],
)
def test_another_device_mapper_device_has_none(host: Devices, uuid: str, why: str) -> None:
    make_map(host, uuid)

    with pytest.raises(WwidError, match=why):
        host.wwid_of_number("/dev/dm-0", DM0)
    assert host.maps() == []


def test_a_partition_has_none(host: Devices) -> None:
    write(host.sys / "dev" / "block" / "8:0" / "partition", "1\n")

    with pytest.raises(WwidError, match="it is a partition; name the whole disk"):
        host.wwid_of_number("/dev/sda1", SDA)


def test_a_disk_that_nobody_knows(host: Devices) -> None:
    with pytest.raises(WwidError, match="neither udev nor the kernel"):
        host.wwid_of_number("/dev/sda", SDA)


@pytest.mark.parametrize(
    ("path", "why"), [("/dev/null", "no block device"), ("/dev/no/such", "No such file")]
)
def test_a_path_that_is_no_disk(host: Devices, path: str, why: str) -> None:
    with pytest.raises(WwidError, match=why):
        host.wwid(path)


@pytest.mark.parametrize(
    ("typed", "right"),
    [
        ("naa.6001405A", None),
        ("naa.5000C500A1B2C3D4", "35000c500a1b2c3d4"),
        ("wwn-0x5000c500a1b2c3d4", "35000c500a1b2c3d4"),
        ("eui.0011223344556677", "20011223344556677"),
    ],
)
def test_an_identifier_in_another_notation(typed: str, right: str | None) -> None:
    if right is None:
        assert typed_wwids.check_typed(typed) == typed
    else:
        with pytest.raises(MultipathConfError, match=f"use {right}$"):
            typed_wwids.check_typed(typed)


@pytest.mark.parametrize("typed", ["", " a", "a ", "a\nb", "a\x1bb"])
def test_what_is_no_wwid(typed: str) -> None:
    with pytest.raises(MultipathConfError, match="no WWID"):
        typed_wwids.check_typed(typed)


@pytest.mark.parametrize(
    ("wwid", "doubts"),
    [
        (WWID, 0),
        ("35000c500a1b2c3d4", 0),
        ("SQEMU_QEMU_HARDDISK_drive", 0),
        (WWID[:-1], 1),
        (WWID.upper(), 1),
        (WWID.upper() + "0", 2),
    ],
)
def test_what_is_odd_about_a_wwid(wwid: str, doubts: int) -> None:
    assert len(list(typed_wwids.doubts(wwid))) == doubts
