"""The SCSI disks and multipath maps of a host, as its sysfs tells of them; no disk is asked."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from qemu_pr.fleet import model
from qemu_pr.host.initiators import Ports, text
from qemu_pr.host.wwids import map_wwid
from qemu_pr.scsi.device_identification import DeviceIdentification
from qemu_pr.scsi.errors import MalformedError

_ADDRESS = re.compile(r"(\d+):\d+:\d+:\d+")  # host, channel, target, logical unit


class HostDisk(NamedTuple):
    """A whole SCSI disk, or a multipath map.

    Attributes:
        device: Its path, as the host names it.
        identity: What it is called on every host; None if it does not tell.
        wwid: The map's WWID; None if it is no map.
        paths: The ways to it: the disk itself, or the paths of the map.
    """

    device: str
    identity: str | None
    wwid: str | None
    paths: list[model.Path]


def disks(sys: Path) -> Iterator[HostDisk]:
    """List them: a disk that is a path of a map is told with the map.

    Args:
        sys: Where the host's sysfs is.
    """
    ports = Ports(sys)
    in_maps: set[str] = set()
    for block in sorted(sys.glob("block/dm-*"), key=_by_number):
        wwid = map_wwid(block / "dm")
        if wwid:
            names = sorted((one.name for one in block.glob("slaves/*")), key=_by_name)
            in_maps.update(names)
            told = [_path(sys / "block" / name, ports) for name in names]
            identity = next((one for one, _ in told if one), None) or _named_by(wwid)
            device = f"/dev/mapper/{text(block / 'dm/name')}"
            yield HostDisk(device, identity, wwid, [path for _, path in told])
    for block in sorted(sys.glob("block/sd*"), key=lambda one: _by_name(one.name)):
        if block.name not in in_maps:
            identity, path = _path(block, ports)
            yield HostDisk(f"/dev/{block.name}", identity, None, [path])


def _by_number(block: Path) -> int:
    digits = block.name.removeprefix("dm-")
    return int(digits) if digits.isdecimal() else -1


def _by_name(name: str) -> tuple[int, str]:
    return len(name), name  # sdz comes before sdaa


def _named_by(wwid: str) -> str | None:
    """Give the identity that multipath's WWID is made of (scsi_id puts the type before it)."""
    return f"naa.{wwid[1:]}" if wwid.startswith("3") else None


def _path(block: Path, ports: Ports) -> tuple[str | None, model.Path]:
    """Give the identity of the disk at the end of a path, and the path."""
    device = block / "device"
    try:
        page = DeviceIdentification.decode((device / "vpd_pg83").read_bytes())
        identity, port = page.identity, page.relative_target_port_identifier
    except (OSError, MalformedError):
        identity, port = None, None
    place = device.resolve()
    address = _ADDRESS.fullmatch(place.name)
    return identity or text(device / "wwid") or None, {
        "device": f"/dev/{block.name}",
        "state": text(device / "state") or "unknown",
        "initiator": ports.of(place, int(address[1])) if address else None,
        "relative_target_port_identifier": port,
    }
