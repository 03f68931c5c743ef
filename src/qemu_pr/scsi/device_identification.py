"""The Device Identification VPD page (0x83): what a logical unit and a target port are called.

SPC-4, 7.8.6. Linux keeps the page of each disk in sysfs, so that nobody has to ask the disk.
"""

from collections.abc import Iterator
from typing import NamedTuple

from qemu_pr.scsi.errors import MalformedError

PAGE_CODE = 0x83
_HEADER_SIZE = 4

_LOGICAL_UNIT, _TARGET_PORT = 0, 1  # ASSOCIATION
_T10, _EUI_64, _NAA, _RELATIVE_TARGET_PORT, _NAME_STRING = 1, 2, 3, 4, 8  # DESIGNATOR TYPE

_HEX_NAMES = {_EUI_64: "eui", _NAA: "naa"}
_BY_PREFERENCE = (_NAA, _EUI_64, _NAME_STRING, _T10)


class Designator(NamedTuple):
    """One designation descriptor.

    Attributes:
        association: ASSOCIATION, 2 bits: 0 the logical unit, 1 the target port, 2 the target.
        type: DESIGNATOR TYPE, 4 bits.
        value: DESIGNATOR.
    """

    association: int
    type: int
    value: bytes

    def __str__(self) -> str:
        if self.type in _HEX_NAMES:
            return f"{_HEX_NAMES[self.type]}.{self.value.hex()}"
        text = self.value.rstrip(b"\0").decode(errors="backslashreplace").strip()
        return text if self.type == _NAME_STRING else f"t10.{text}"


class DeviceIdentification(NamedTuple):
    """What the page says.

    Attributes:
        designators: In the page's order.
    """

    designators: tuple[Designator, ...]

    @classmethod
    def decode(cls, page: bytes) -> "DeviceIdentification":
        """Read a page.

        Raises:
            MalformedError: It is another page, or it ends within a descriptor.
        """
        if len(page) < _HEADER_SIZE or page[1] != PAGE_CODE:
            raise MalformedError("Device Identification VPD page: it is none")
        end = _HEADER_SIZE + int.from_bytes(page[2:4], "big")
        return cls(tuple(_descriptors(page[_HEADER_SIZE:end])))

    @property
    def identity(self) -> str | None:
        """What tells the logical unit from all others, the same through every path.

        A designator of type NAA comes first, as Linux and multipath have it, then EUI-64, SCSI name
        string and T10 vendor ID; of one type the longest. None without any of these.
        """
        of_the_unit = [
            one
            for one in self.designators
            if one.association == _LOGICAL_UNIT and one.type in _BY_PREFERENCE and one.value
        ]
        best = min(
            of_the_unit,
            key=lambda one: (_BY_PREFERENCE.index(one.type), -len(one.value)),
            default=None,
        )
        return str(best) if best else None

    @property
    def relative_target_port_identifier(self) -> int | None:
        """The target port through which the page was read; None if it does not say."""
        for one in self.designators:
            if (one.association, one.type) == (_TARGET_PORT, _RELATIVE_TARGET_PORT):
                return int.from_bytes(one.value[-2:], "big")
        return None


def _descriptors(data: bytes) -> Iterator[Designator]:
    while data:
        if len(data) < _HEADER_SIZE or len(data) < _HEADER_SIZE + data[3]:
            raise MalformedError("Device Identification VPD page: it ends within a descriptor")
        end = _HEADER_SIZE + data[3]
        yield Designator(data[1] >> 4 & 0x3, data[1] & 0xF, data[_HEADER_SIZE:end])
        data = data[end:]
