"""Big-endian fields of SCSI structures, with an error that names the field."""

from qemu_pr.scsi.errors import MalformedError


def read(data: bytes, offset: int, size: int, name: str) -> int:
    """Read an unsigned big-endian field.

    Args:
        data: The structure.
        offset: Where the field begins, in bytes.
        size: How long the field is, in bytes.
        name: What SPC calls the field.

    Raises:
        MalformedError: The structure ends before the field does.
    """
    if len(data) < offset + size:
        raise MalformedError(f"{name}: needs {offset + size} bytes, got {len(data)}")
    return int.from_bytes(data[offset : offset + size], "big")


def check(value: int, bits: int, name: str) -> None:
    """Refuse a value that its field cannot hold.

    Raises:
        MalformedError: The value is negative or has more bits than the field.
    """
    if not 0 <= value < 1 << bits:
        raise MalformedError(f"{name}: {value:#x} does not fit into {bits} bits")
