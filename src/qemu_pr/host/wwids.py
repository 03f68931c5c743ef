"""The WWIDs of devices: by which name multipath knows them.

A map carries its WWID in its device-mapper UUID. A path of a map leads to its map. For another SCSI
disk multipath takes the udev property ID_SERIAL, and so does this module; only where udev has not
seen the disk, the kernel's own identifier serves, as far as it is certain to be the same.
"""

import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

from qemu_pr.host.paths import THIS_ROOT, under

_MAP = "mpath-"
_PART = re.compile(r"part\d+-" + _MAP)
LIST_MAPS = "'multipath -ll' lists maps with their WWIDs"
_ASK = "'/lib/udev/scsi_id -g -u DEVICE' tells it"

# NAA designators of 8 or 16 bytes. The kernel and udev both prefer these to all others.
_NAA = re.compile(r"naa\.([0-9a-f]{32}|[0-9a-f]{16})")


class WwidError(ValueError):
    """The WWID of a device cannot be told.

    Attributes:
        what: The device.
        why: Why it cannot be told.
        advice: What to do.
    """

    def __init__(self, what: str, why: str, advice: str) -> None:
        super().__init__(f"{what}: {why}; {advice}")
        self.what, self.why, self.advice = what, why, advice


class Map(NamedTuple):
    """A multipath map of this host."""

    name: str
    wwid: str


class Devices(NamedTuple):
    """Where a host's kernel and udev tell of devices; other directories serve in tests."""

    sys: Path = Path("/sys")
    udev: Path = Path("/run/udev/data")
    root: Path = THIS_ROOT

    @classmethod
    def below(cls, root: Path) -> "Devices":
        """Give those of the host whose ``/`` is a directory."""
        return cls(root / "sys", root / "run/udev/data", root)

    def file(self, path: str) -> str:
        """Give the path by which this process sees a file that the host names."""
        return under(self.root, path)

    def maps(self) -> list[Map]:
        """List the multipath maps, by name."""
        return sorted(
            Map(_text(directory / "name"), wwid)
            for directory in self.sys.glob("block/dm-*/dm")
            if (wwid := map_wwid(directory))
        )

    def wwid(self, path: str) -> str:
        """Tell the WWID of the map that a device is, or belongs to.

        Args:
            path: A block device: a map or a SCSI disk.

        Raises:
            WwidError: It cannot be told, or there is no such device.
        """
        try:
            status = os.stat(self.file(path))
        except OSError as error:
            raise WwidError(path, f"cannot find it: {error.strerror}", LIST_MAPS) from error
        if not stat.S_ISBLK(status.st_mode):
            raise WwidError(path, "it is no block device", LIST_MAPS)
        return self.wwid_of_number(path, status.st_rdev)

    def wwid_of_number(self, path: str, number: int) -> str:
        """The same, for a device number.

        Args:
            path: What an error calls it.
            number: As `os.stat` gives it.

        Raises:
            WwidError: It cannot be told.
        """
        name = f"{os.major(number)}:{os.minor(number)}"
        directory = self.sys / "dev" / "block" / name
        if (directory / "partition").exists():
            raise WwidError(path, "it is a partition", "name the whole disk")
        if (directory / "dm").exists():
            return self._dm_wwid(path, directory)
        holders = directory.glob("holders/dm-*/dm")
        for wwid in filter(None, map(map_wwid, holders)):
            return wwid
        serial = self._property(name, "ID_SERIAL")
        if serial:
            return serial
        kernel = _text(directory / "device" / "wwid")
        if match := _NAA.fullmatch(kernel):
            return "3" + match[1]
        if kernel:
            raise WwidError(
                path,
                f"its WWID cannot be told for certain from {kernel!r}, and udev has none",
                _ASK,
            )
        raise WwidError(path, "neither udev nor the kernel has a WWID of it", LIST_MAPS)

    def _dm_wwid(self, path: str, directory: Path) -> str:
        wwid = map_wwid(directory / "dm")
        if wwid:
            return wwid
        if _PART.match(_text(directory / "dm" / "uuid")):
            raise WwidError(path, "it is a partition of a map", "name the map itself")
        raise WwidError(path, "it is no multipath map, but another kind of device", LIST_MAPS)

    def _property(self, number: str, name: str) -> str:
        for line in _text(self.udev / f"b{number}").split("\n"):
            if line.startswith(f"E:{name}="):
                return line.partition("=")[2]
        return ""


def map_wwid(directory: Path) -> str:
    """Tell the WWID of a multipath map.

    Args:
        directory: Where sysfs tells of a device-mapper device: ``dm`` of a block device.

    Returns:
        The WWID; empty if the device is no multipath map, or is not there.
    """
    uuid = _text(directory / "uuid")
    return uuid.removeprefix(_MAP) if uuid.startswith(_MAP) else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="surrogateescape").strip()
    except OSError:
        return ""
