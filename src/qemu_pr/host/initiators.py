"""The initiator ports of a host, by the names that disks know them by (SPC-4, TransportID)."""

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

_HOST_PHY = re.compile(r"phy-(\d+):\d+")  # those of expanders and disks have three numbers
_SESSION = re.compile(r"session\d+")
_CONFIGURED = re.compile(r"^\s*InitiatorName\s*=\s*(\S+)", re.MULTILINE)


class Ports:
    """The initiator ports that a kernel has.

    Args:
        sys: Where its sysfs is.
    """

    def __init__(self, sys: Path) -> None:
        self._classes = sys / "class"

    @cached_property
    def _by_host(self) -> dict[int, str]:
        """The port of each SCSI host that has one: Fibre Channel and SAS."""
        found: dict[int, str] = {}
        for directory, attribute in self._places():
            number = re.search(r"\d+", directory.name)
            name = _naa(text(directory / attribute))
            if number and name:
                found.setdefault(int(number[0]), name)
        return found

    def _places(self) -> Iterator[tuple[Path, str]]:
        for directory in sorted(self._classes.glob("fc_host/host*")):
            yield directory, "port_name"
        for directory in sorted(self._classes.glob("sas_phy/phy-*")):
            if _HOST_PHY.fullmatch(directory.name):
                yield directory, "sas_address"
        for directory in sorted(self._classes.glob("scsi_host/host*")):
            yield directory, "host_sas_address"

    @cached_property
    def _by_session(self) -> dict[str, str]:
        return {
            directory.name: name
            for directory in self._classes.glob("iscsi_session/session*")
            if (name := _iscsi(text(directory / "initiatorname")))
        }

    def of(self, device: Path, host: int) -> str | None:
        """Tell through which port a disk is reached; None if sysfs does not say.

        Args:
            device: The disk's place below /sys/devices.
            host: The number of its SCSI host.
        """
        session = next((part for part in device.parts if _SESSION.fullmatch(part)), None)
        if session:
            return self._by_session.get(session)
        return self._by_host.get(host)

    def all(self) -> set[str]:
        """List the ports."""
        of_hosts = (
            _iscsi(text(directory / "initiatorname"))
            for directory in self._classes.glob("iscsi_host/host*")
        )
        return {*self._by_host.values(), *self._by_session.values(), *filter(None, of_hosts)}


def configured(root: Path) -> str | None:
    """Give the iSCSI name that a host has without being logged in anywhere; None without.

    Args:
        root: The host's ``/``.

    Raises:
        OSError: The file is there, and cannot be read.
    """
    try:
        content = (root / "etc/iscsi/initiatorname.iscsi").read_text(errors="replace")
    except FileNotFoundError:
        return None
    found = _CONFIGURED.findall(content)
    return found[-1] if found else None


def name_of(transport_id: str) -> str:
    """Give the name of the port, without the identifier of the iSCSI session behind it."""
    return transport_id.partition(",i,0x")[0]


def text(path: Path) -> str:
    """Read an attribute of sysfs; empty if it is not there."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _naa(number: str) -> str:
    match = re.fullmatch(r"(?:0x)?([0-9a-fA-F]{16})", number)
    return f"naa.{match[1].lower()}" if match and int(match[1], 16) else ""


def _iscsi(name: str) -> str:
    return "" if name == "(null)" else name
