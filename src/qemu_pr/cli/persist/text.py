"""What ``sg_persist`` prints for the data of PERSISTENT RESERVE IN, byte for byte.

It trusts the data. It reads from a buffer that was filled with zeros, takes every length for a
signed 32-bit number, and prints what it finds, so that data which is cut or makes no sense has an
output, too. Where a length leads beyond the buffer, sg_persist goes on reading memory that is not
its own; here the output ends.
"""

from collections.abc import Callable, Iterator

from qemu_pr.scsi.commands import InServiceAction
from qemu_pr.scsi.names import TYPE_NAMES

BUFFER_SIZE = 8192
"""Size of the data buffer in bytes, and so the largest allocation length."""

_NO_DESCRIPTORS = "  No full status descriptors\n"
_TRANSPORT_ID_TEXT_MAX = 1023  # bytes: sg_persist makes the text in a buffer of 1024


def render(
    service_action: int,
    data: bytes,
    *,
    allocation_length: int = BUFFER_SIZE,
    hexadecimal: int = 0,
    verbose: bool = False,
) -> bytes:
    """Render the data of a command that ended with GOOD.

    Args:
        service_action: The command's `InServiceAction`.
        data: What the device returned, at most 8192 bytes.
        allocation_length: The command's allocation length, at most 8192.
        hexadecimal: How often ``--hex`` was given: 1 dumps what follows the header, 2 all of the
            data, 3 and more the same without addresses.
        verbose: Whether ``--verbose`` was given.

    Returns:
        Lines of text in UTF-8, but for names of initiators that are not UTF-8.
    """
    # Twice the size, so that a field which begins in the buffer never ends behind it.
    buffer = data.ljust(2 * BUFFER_SIZE, b"\0")
    if service_action == InServiceAction.REPORT_CAPABILITIES:
        lines = [*_capabilities(buffer, hexadecimal)]
    elif hexadecimal:
        lines = [*_hexadecimal(buffer, allocation_length, hexadecimal)]
    else:
        lines = [*_DECODERS[InServiceAction(service_action)](buffer)]
    if verbose and lines[-1:] == [_NO_DESCRIPTORS]:
        lines.append("  So there are no registered IT nexuses\n")
    return "".join(lines).encode(errors="surrogateescape")


def render_transport_id(data: bytes, size: int = 256) -> str:
    """Render the TransportID that data begins with.

    Args:
        data: The TransportID; zeros follow where it ends early.
        size: How long it is said to be, in bytes; one from the command line lies in 256.

    Returns:
        Lines of text, with surrogate escapes for bytes that are not UTF-8.
    """
    whole = size >= 24 and size % 4 == 0
    # sg_persist gives the size of its text buffer here, not that of the TransportID.
    heading = "of initiator:" if whole else "short or not multiple of 4 [length=1024]:"
    lines = [f"Transport Id {heading}", *_transport(data.ljust(2 * BUFFER_SIZE, b"\0"), size)]
    text = "".join(f"      {line}\n" for line in lines).encode(errors="surrogateescape")
    return text[:_TRANSPORT_ID_TEXT_MAX].decode(errors="surrogateescape")


def dump(data: bytes, *, addresses: bool) -> Iterator[str]:
    """Dump bytes, 16 a line, with a wider gap in the middle.

    Args:
        data: The bytes.
        addresses: Whether each line begins with its offset in hex.

    Yields:
        The lines, each with its newline.
    """
    for offset, row in _rows(data):
        yield f"{f' {offset:02x}':8}{row}\n" if addresses else f"{row}\n"


def _hexadecimal(buffer: bytes, allocation_length: int, level: int) -> Iterator[str]:
    length = _signed(buffer, 4)
    if level > 1:
        yield from dump(buffer[: min(max(length + 8, 0), BUFFER_SIZE)], addresses=level == 2)
        return
    yield f"  PR generation={_generation(buffer):#x}, "
    if length <= 0:
        yield f"Additional length={length}\n"
    most = (allocation_length - 8) % 2**32
    if length % 2**32 > most:
        yield f"Additional length too large={length}, truncate\n"
        yield from dump(buffer[8 : 8 + most], addresses=True)
    else:
        yield f"Additional length={length}\n"
        yield from dump(buffer[8 : min(8 + length, BUFFER_SIZE)], addresses=True)


def _read_keys(buffer: bytes) -> Iterator[str]:
    count = max(_signed(buffer, 4), 0) // 8
    found = "there are NO registered reservation keys"
    if count:
        found = f"{count} registered reservation key{' follows' if count == 1 else 's follow'}:"
    yield f"  PR generation={_generation(buffer):#x}, {found}\n"
    for offset in range(8, min(8 + 8 * count, BUFFER_SIZE), 8):
        yield f"    {_number(buffer, offset, 8):#x}\n"


def _read_reservation(buffer: bytes) -> Iterator[str]:
    yield f"  PR generation={_generation(buffer):#x}, "
    if _signed(buffer, 4) < 16:
        yield "there is NO reservation held\n"
        return
    yield "Reservation follows:\n"
    yield f"    Key={_number(buffer, 8, 8):#x}\n"
    yield f"    {_scope_and_type(buffer[21])}\n"


def _capabilities(buffer: bytes, hexadecimal: int) -> Iterator[str]:
    if hexadecimal:
        yield from dump(buffer[: buffer[1]], addresses=True)
    elif buffer[1] == 8:
        yield "Report capabilities response:\n"
        for name, offset, mask in _CAPABILITIES:
            bits = buffer[offset] & mask
            yield f"  {name}: {bits >> 4 if mask == 0x70 else int(bits > 0)}\n"
        if buffer[3] & 0x80:
            yield "    Support indicated in Type mask:\n"
            for type_, offset, mask in _TYPE_MASK:
                yield f"      {TYPE_NAMES[type_]}: {int(buffer[offset] & mask > 0)}\n"


def _read_full_status(buffer: bytes) -> Iterator[str]:
    length = _signed(buffer, 4)
    yield f"  PR generation={_generation(buffer):#x}\n"
    if length == 0:
        yield _NO_DESCRIPTORS
    offset, end = 8, min(8 + length, BUFFER_SIZE)
    while offset < end:
        size = _signed(buffer, offset + 20)
        yield from _full_status(buffer[offset:], size)
        if size <= -24:  # sg_persist never ends here
            return
        offset += 24 + size


def _full_status(descriptor: bytes, transport_id_size: int) -> Iterator[str]:
    yield f"    Key={_number(descriptor, 0, 8):#x}\n"
    if descriptor[12] & 0x02:
        yield "      All target ports bit set\n"
    else:
        yield "      All target ports bit clear\n"
        yield f"      Relative port address: {_number(descriptor, 18, 2):#x}\n"
    if descriptor[12] & 0x01:
        yield "      << Reservation holder >>\n"
        yield f"      {_scope_and_type(descriptor[13])}\n"
    else:
        yield "      not reservation holder\n"
    if transport_id_size > 0:
        yield render_transport_id(descriptor[24:], transport_id_size)


def _transport(buffer: bytes, size: int) -> list[str]:
    """Render what follows the heading, by the PROTOCOL IDENTIFIER."""
    protocol, format_code = buffer[0] & 0x0F, buffer[0] >> 6
    note = f"  [Unexpected TPID format: {format_code}]"
    unexpected = [note] if format_code else []
    every_byte = [row for _, row in _rows(buffer[: min(size, 24)])]
    match protocol:
        case 0x0:
            return ["  FCP-2 World Wide Name:", *unexpected, *_values(buffer[8:16])]
        case 0x1:
            address, port = _number(buffer, 2, 2), _number(buffer, 6, 2)
            return [
                f"  Parallel SCSI initiator SCSI address: {address:#x}",
                *unexpected,
                f"  relative port number (of corresponding target): {port:#x}",
            ]
        case 0x3:
            return ["  IEEE 1394 EUI-64 name:", *unexpected, *_values(buffer[8:16])]
        case 0x4:
            return ["  RDMA initiator port identifier:", *unexpected, *_values(buffer[8:24])]
        case 0x5 if format_code > 1:
            whole = buffer[: 4 + _number(buffer, 2, 2)]
            rows = [f"{row:48}    {_printable(whole[at : at + 16]):16}" for at, row in _rows(whole)]
            return [f"  iSCSI {note}", *rows]
        case 0x5:
            name = buffer[4 : 4 + _number(buffer, 2, 2)].partition(b"\0")[0]
            what = "world wide unique port id" if format_code else "name"
            return [f"  iSCSI {what}: {name.decode(errors='surrogateescape')}"]
        case 0x6:
            return [f"  SAS address: {_number(buffer, 4, 8):#x}", *unexpected]
        case 0xA if format_code:
            return [f"  SOP {note}", *every_byte]
        case 0xA:
            return [f"  SOP Routing ID: {_number(buffer, 2, 2):#x}"]
        case 0xC | 0xD | 0xE:
            return [f"  unknown protocol id={protocol:#x}  TPID format={format_code}", *every_byte]
        case 0xF:
            return ["  No specified protocol"]
        case _:
            return [f"  {_OPAQUE[protocol]}:", f"  TPID format: {format_code}", *every_byte]


def _rows(data: bytes) -> Iterator[tuple[int, str]]:
    for offset in range(0, len(data), 16):
        row = data[offset : offset + 16]
        yield offset, f"{row[:8].hex(' ')}  {row[8:].hex(' ')}".rstrip()


def _values(data: bytes) -> list[str]:
    return [row for _, row in _rows(data)]


def _printable(data: bytes) -> str:
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data)


def _scope_and_type(byte: int) -> str:
    scope = byte >> 4
    words = f"scope: {scope} " if scope else "scope: LU_SCOPE, "
    return f"{words} type: {TYPE_NAMES[byte & 0x0F]}"


def _generation(buffer: bytes) -> int:
    return _number(buffer, 0, 4)


def _number(buffer: bytes, offset: int, size: int) -> int:
    return int.from_bytes(buffer[offset : offset + size], "big")


def _signed(buffer: bytes, offset: int) -> int:
    return int.from_bytes(buffer[offset : offset + 4], "big", signed=True)


_DECODERS: dict[InServiceAction, Callable[[bytes], Iterator[str]]] = {
    InServiceAction.READ_KEYS: _read_keys,
    InServiceAction.READ_RESERVATION: _read_reservation,
    InServiceAction.READ_FULL_STATUS: _read_full_status,
}

# What is printed of REPORT CAPABILITIES, in this order: name, byte, mask (SPC-4, table 207).
_CAPABILITIES = (
    ("Replace Lost Reservation Capable(RLR_C)", 2, 0x80),
    ("Compatible Reservation Handling(CRH)", 2, 0x10),
    ("Specify Initiator Ports Capable(SIP_C)", 2, 0x08),
    ("All Target Ports Capable(ATP_C)", 2, 0x04),
    ("Persist Through Power Loss Capable(PTPL_C)", 2, 0x01),
    ("Type Mask Valid(TMV)", 3, 0x80),
    ("Allow Commands", 3, 0x70),
    ("Persist Through Power Loss Active(PTPL_A)", 3, 0x01),
)

# The bits of its type mask: type, byte, mask (SPC-4, table 209).
_TYPE_MASK = (
    (7, 4, 0x80),
    (6, 4, 0x40),
    (5, 4, 0x20),
    (3, 4, 0x08),
    (1, 4, 0x02),
    (8, 5, 0x01),
)

# Transports whose TransportID sg_persist does not take apart.
_OPAQUE = {
    0x2: "SSA (transport id not defined)",
    0x7: "ADT",
    0x8: "ATAPI",
    0x9: "UAS",
    0xB: "PCIE",
}
