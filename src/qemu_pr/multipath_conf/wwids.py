"""The WWIDs of devices: by which name multipath knows them.

A map carries its WWID in its device-mapper UUID. A path of a map leads to its map. For another SCSI
disk multipath takes the udev property ID_SERIAL, and so does this module; only where udev has not
seen the disk, the kernel's own identifier serves, as far as it is certain to be the same.
"""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from qemu_pr.multipath_conf.errors import MultipathConfError

_MAP = "mpath-"
_PART = re.compile(r"part\d+-" + _MAP)
_LIST = "'multipath -ll' lists maps with their WWIDs"
_ASK = "'/lib/udev/scsi_id -g -u DEVICE' tells it"

# NAA designators of 8 or 16 bytes. The kernel and udev both prefer these to all others.
_NAA = re.compile(r"naa\.([0-9a-f]{32}|[0-9a-f]{16})")


class Map(NamedTuple):
    """A multipath map of this host."""

    name: str
    wwid: str


class Host(NamedTuple):
    """Where a host's kernel and udev tell of devices; other directories serve in tests."""

    sys: Path = Path("/sys")
    udev: Path = Path("/run/udev/data")
    root: Path = Path("/")

    @classmethod
    def below(cls, root: Path) -> "Host":
        """Give the host whose ``/`` is a directory."""
        return cls(root / "sys", root / "run/udev/data", root)

    def file(self, path: str) -> str:
        """Give the path by which this process sees a file that the host names."""
        return path if not path.startswith("/") else str(self.root / path[1:])

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
            MultipathConfError: It cannot be told, or there is no such device.
        """
        try:
            status = os.stat(self.file(path))
        except OSError as error:
            raise MultipathConfError(path, f"cannot find it: {error.strerror}", _LIST) from error
        if not stat.S_ISBLK(status.st_mode):
            raise MultipathConfError(path, "it is no block device", _LIST)
        return self.wwid_of_number(path, status.st_rdev)

    def wwid_of_number(self, path: str, number: int) -> str:
        """The same, for a device number.

        Args:
            path: What an error calls it.
            number: As `os.stat` gives it.

        Raises:
            MultipathConfError: It cannot be told.
        """
        name = f"{os.major(number)}:{os.minor(number)}"
        directory = self.sys / "dev" / "block" / name
        if (directory / "partition").exists():
            raise MultipathConfError(path, "it is a partition", "name the whole disk")
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
            raise MultipathConfError(
                path,
                f"its WWID cannot be told for certain from {kernel!r}, and udev has none",
                _ASK,
            )
        raise MultipathConfError(path, "neither udev nor the kernel has a WWID of it", _LIST)

    def _dm_wwid(self, path: str, directory: Path) -> str:
        wwid = map_wwid(directory / "dm")
        if wwid:
            return wwid
        if _PART.match(_text(directory / "dm" / "uuid")):
            raise MultipathConfError(path, "it is a partition of a map", "name the map itself")
        raise MultipathConfError(path, "it is no multipath map, but another kind of device", _LIST)

    def _property(self, number: str, name: str) -> str:
        for line in _text(self.udev / f"b{number}").split("\n"):
            if line.startswith(f"E:{name}="):
                return line.partition("=")[2]
        return ""


def doubts(wwid: str) -> Iterator[str]:
    """Say what is odd about a WWID that somebody typed; multipath compares character by character.

    Args:
        wwid: A WWID as multipath has it.
    """
    if re.fullmatch(r"3[0-9a-fA-F]{6,}", wwid) and len(wwid) not in (17, 33):
        yield f"it has {len(wwid)} characters, and a WWID that begins with 3 has 17 or 33"
    if re.fullmatch(r"[23][0-9a-fA-F]{16,}", wwid) and wwid != wwid.lower():
        yield "multipath writes a WWID in lower case, and compares it character by character"


def check_typed(wwid: str) -> str:
    """Take a WWID that somebody typed.

    Raises:
        MultipathConfError: It is an identifier that multipath writes in another way.
    """
    other = re.fullmatch(r"(?:wwn-|scsi-)?(naa\.|0x|eui\.)([0-9a-fA-F]{16,32})", wwid)
    if other:
        digit = "2" if other[1] == "eui." else "3"
        raise MultipathConfError(
            wwid, "multipath writes it in another way", f"use {digit}{other[2].lower()}"
        )
    if not re.fullmatch(r"\S(?:.*\S)?", wwid) or not wwid.isprintable():
        raise MultipathConfError(repr(wwid), "it is no WWID", _LIST)
    return wwid


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
