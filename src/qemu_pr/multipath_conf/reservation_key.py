"""The values of ``reservation_key``: written, read, and derived for a host."""

import hashlib
import re
from dataclasses import dataclass

from qemu_pr.multipath_conf.errors import MultipathConfError

FILE = "file"
"""multipathd remembers the key that is registered through libmpathpersist, and uses it."""

NUMBER_MAX = 0xFFFF
"""The greatest number that a host may have; two bytes of its key."""

_APTPL = "aptpl"
_HEX = re.compile(r"0?[xX]?([0-9a-fA-F]{1,16})")
_HOST_PREFIX = int.from_bytes(b"qemupr\0\0", "big")


@dataclass(frozen=True, slots=True)
class ReservationKey:
    """A value of ``reservation_key``.

    Attributes:
        key: The key, 64 bits; None means ``file``.
        aptpl: Whether it is registered with APTPL. multipathd keeps this beside the key in its
            file, so that it is never set with ``file``.
    """

    key: int | None
    aptpl: bool = False

    @classmethod
    def parse(cls, text: str) -> "ReservationKey":
        """Read a value as multipath does: hexadecimal, with 0x or without.

        Raises:
            MultipathConfError: multipath does not take this value.
        """
        if text == FILE:
            return cls(None)
        digits, _, flag = text.partition(":")
        # One 0 goes with the prefix, so that a lone 0 is no number to multipath.
        match = _HEX.fullmatch(digits)
        if not match or digits == "0":
            raise MultipathConfError(
                f"reservation_key {text}",
                "it is no key",
                "write 1 to 16 hexadecimal digits behind 0x, or file",
            )
        return cls(int(match[1], 16), flag == _APTPL)

    def __str__(self) -> str:
        if self.key is None:
            return FILE
        return f"{self.key:#x}" + (f":{_APTPL}" if self.aptpl else "")


def ignored_flag(text: str) -> str | None:
    """Give what stands behind the colon of a value, if multipath knows no such flag."""
    _, colon, flag = text.partition(":")
    return flag if colon and flag != _APTPL else None


def host_key(host: str) -> int:
    """Derive the key of a host, so that no two hosts of a cluster have the same.

    A number from 0 to 65535 becomes ``0x71656d757072`` (the letters ``qemupr``) and two bytes with
    the number. A name becomes the first eight bytes of the SHA-256 digest of its UTF-8 bytes in
    lower case, or the first of the digest's four pieces of eight bytes that is not 0.

    Args:
        host: A decimal number, or a name.

    Returns:
        64 bits, never 0.

    Raises:
        MultipathConfError: The number is too large, or the name is empty.
    """
    if host.isascii() and host.isdigit():
        if len(host) > len(str(NUMBER_MAX)) or int(host) > NUMBER_MAX:
            raise MultipathConfError(
                f"host {host}", f"numbers end at {NUMBER_MAX}", "use the host's name"
            )
        return _HOST_PREFIX | int(host)
    if not host.strip():
        raise MultipathConfError("host", "its name is empty", "give a name or a number")
    digest = hashlib.sha256(host.lower().encode(errors="surrogateescape")).digest()
    pieces = (int.from_bytes(digest[start : start + 8], "big") for start in range(0, 32, 8))
    return next(filter(None, pieces))
