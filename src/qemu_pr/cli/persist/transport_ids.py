"""TransportIDs as ``sg_persist --transport-id`` takes them: in words, as bytes, from a file."""

import os
import re
import sys

from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.transport_ids import FIXED_SIZE

COUNT_MAX = 31
"""How many TransportIDs a file can hold, as with sg_persist."""

_ISCSI_TEXT_MAX = 240  # bytes of an iSCSI name with its terminating NULs, as with sg_persist


def read(argument: str) -> tuple[bytes, ...]:
    """Read the TransportIDs that an argument of ``--transport-id`` stands for.

    Args:
        argument: One TransportID as `parse` takes it, ``file=`` and the name of a file with one a
            line, or ``-`` for standard input. Empty lines, and what follows a ``#``, are ignored.

    Raises:
        MalformedError: A TransportID makes no sense, or there are more than 31.
        OSError: The file cannot be read.
    """
    if argument == "-":
        return _read_lines(sys.stdin.buffer.read())
    if argument.startswith(("file=", "FILE=")):
        with open(argument[5:], "rb") as file:
            return _read_lines(file.read())
    return (parse(argument),)


def parse(text: str) -> bytes:
    """Read one TransportID.

    Args:
        text: ``sas,``, ``fcp,`` or ``sbp,`` and 16 hex digits; ``srp,`` and 32; ``spi,`` and two
            decimal numbers; ``sop,`` and a hex number; an iSCSI name that begins with ``iqn.``;
            or the bytes in hex, with commas or spaces between them.

    Returns:
        At least 24 bytes, zero padded. What the text says is not checked against SPC-4: whoever
        tests a target may want to send it nonsense.

    Raises:
        MalformedError: The text is none of these.
    """
    word, _, value = text.partition(",")
    match word.lower():
        case "fcp":
            found = bytes(8) + _digits(value, 8, text)
        case "spi":
            address, _, port = value.partition(",")
            found = b"\1\0" + _decimal(address, text) + bytes(2) + _decimal(port, text)
        case "sbp":
            found = b"\3" + bytes(7) + _digits(value, 8, text)
        case "srp":
            found = b"\4" + bytes(7) + _digits(value, 16, text)
        case "sas":
            found = b"\6" + bytes(3) + _digits(value, 8, text)
        case "sop":
            digits = value.lower().removeprefix("0x")
            found = b"\x0a\0" + _digits(digits.rjust(4, "0"), 2, text)
        case _ if text.startswith("iqn."):
            found = _iscsi(text)
        case _:
            found = _bytes(text)
    return found.ljust(FIXED_SIZE, b"\0")


def _read_lines(data: bytes) -> tuple[bytes, ...]:
    lines = (os.fsdecode(line).partition("#")[0].strip() for line in data.splitlines())
    found = [parse(line) for line in lines if line]
    if len(found) > COUNT_MAX:
        raise MalformedError(f"{len(found)} TransportIDs, at most {COUNT_MAX}")
    return tuple(found)


def _digits(digits: str, size: int, text: str) -> bytes:
    if not re.fullmatch(f"[0-9A-Fa-f]{{{2 * size}}}", digits):
        raise MalformedError(f"TransportID {text!r}: want {2 * size} hex digits")
    return bytes.fromhex(digits)


def _decimal(number: str, text: str) -> bytes:
    if not re.fullmatch("[0-9]{1,5}", number) or int(number) > 0xFFFF:
        raise MalformedError(f"TransportID {text!r}: want two decimal numbers up to 65535")
    return int(number).to_bytes(2, "big")


def _iscsi(text: str) -> bytes:
    name = os.fsencode(text) + b"\0"
    name += bytes(-len(name) % 4)
    name = name.ljust(20, b"\0")
    if len(name) > _ISCSI_TEXT_MAX or re.search("[ \t]", text):
        raise MalformedError(f"TransportID {text!r}: too long for an iSCSI name, or has a space")
    format_code = int(",i,0x" in text)
    return bytes((format_code << 6 | 0x5, 0)) + len(name).to_bytes(2, "big") + name


def _bytes(text: str) -> bytes:
    numbers = re.split("[ \t]*,[ \t]*|[ \t]+", text)
    if not all(re.fullmatch("0*[0-9A-Fa-f]{1,2}", number) for number in numbers):
        raise MalformedError(
            f"TransportID {text!r}: want sas, fcp, sbp, srp, spi or sop with a comma behind it, "
            "iqn., or bytes in hex"
        )
    found = bytes(int(number, 16) for number in numbers)
    size = FIXED_SIZE
    if found[0] & 0x0F == 0x5:  # an iSCSI TransportID is as long as it says
        size = max(size, 4 + int.from_bytes(found[2:4].ljust(2, b"\0"), "big"))
    return found[:size].ljust(size, b"\0")
