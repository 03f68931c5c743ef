"""TransportIDs: the names of initiator ports (SPC-4, 7.6.4)."""

import re

from qemu_pr.record import Record
from qemu_pr.scsi import fields
from qemu_pr.scsi.errors import MalformedError

FIXED_SIZE = 24
ISCSI_NAME_MAX = 223
"""The longest iSCSI name, in bytes of UTF-8 (RFC 7143, 4.2.7.1)."""


class FibreChannelTransportID(Record):
    """A Fibre Channel initiator port.

    Attributes:
        n_port_name: N_PORT NAME, 64 bits.
    """

    protocol_identifier = 0x0
    n_port_name: int

    def __str__(self) -> str:
        return f"naa.{self.n_port_name:016x}"

    def encode(self) -> bytes:
        """Encode as 24 bytes.

        Raises:
            MalformedError: The name does not fit into 64 bits.
        """
        fields.check(self.n_port_name, 64, "N_PORT NAME")
        return bytes(8) + self.n_port_name.to_bytes(8, "big") + bytes(8)


class SASTransportID(Record):
    """A SAS initiator port.

    Attributes:
        sas_address: SAS ADDRESS, 64 bits.
    """

    protocol_identifier = 0x6
    sas_address: int

    def __str__(self) -> str:
        return f"naa.{self.sas_address:016x}"

    def encode(self) -> bytes:
        """Encode as 24 bytes.

        Raises:
            MalformedError: The address does not fit into 64 bits.
        """
        fields.check(self.sas_address, 64, "SAS ADDRESS")
        return bytes((0x6, 0, 0, 0)) + self.sas_address.to_bytes(8, "big") + bytes(12)


class ISCSITransportID(Record):
    """An iSCSI initiator device (format 00b) or, with its ISID, initiator port (format 01b).

    Attributes:
        name: iSCSI NAME, at most 223 bytes of UTF-8.
        isid: Initiator session identifier, 48 bits, or None for the device alone.
    """

    protocol_identifier = 0x5
    name: str
    isid: int | None = None

    def __str__(self) -> str:
        return self.name if self.isid is None else f"{self.name},i,0x{self.isid:012x}"

    def encode(self) -> bytes:
        """Encode as 24 bytes or more, a multiple of 4.

        Raises:
            MalformedError: The name is empty, too long, or holds a NUL or the separator ``,i,0x``.
        """
        if not self.name or "\0" in self.name or ",i,0x" in self.name:
            raise MalformedError(f"iSCSI NAME: {self.name!r} is not a name")
        try:
            name = self.name.encode()
        except UnicodeEncodeError as error:
            raise MalformedError(f"iSCSI NAME: {self.name!r} is not Unicode text") from error
        if len(name) > ISCSI_NAME_MAX:
            raise MalformedError(f"iSCSI NAME: {len(name)} bytes, at most {ISCSI_NAME_MAX}")
        if self.isid is not None:
            fields.check(self.isid, 48, "ISCSI INITIATOR SESSION ID")
        format_code = 0 if self.isid is None else 1
        text = str(self).encode() + b"\0"
        text += bytes(-len(text) % 4)
        text = text.ljust(20, b"\0")
        return bytes((format_code << 6 | 0x5, 0)) + len(text).to_bytes(2, "big") + text


class OtherTransportID(Record):
    """An initiator port of a transport that this package has no fields for, kept as it is.

    Attributes:
        data: The whole TransportID, 24 bytes.
    """

    data: bytes

    def __str__(self) -> str:
        return f"protocol {self.protocol_identifier:#x}: {self.data.hex()}"

    @property
    def protocol_identifier(self) -> int:
        """PROTOCOL IDENTIFIER, 4 bits."""
        return self.data[0] & 0x0F

    def encode(self) -> bytes:
        """Give the 24 bytes.

        Raises:
            MalformedError: There are not 24 of them, or they name a transport with a class here.
        """
        if len(self.data) != FIXED_SIZE:
            raise MalformedError(f"TransportID: {len(self.data)} bytes, not {FIXED_SIZE}")
        if self.protocol_identifier in (0x0, 0x5, 0x6):
            raise MalformedError(f"TransportID: {self.data[0]:#04x} has a class of its own")
        return self.data


TransportID = FibreChannelTransportID | SASTransportID | ISCSITransportID | OtherTransportID


def decode(data: bytes) -> tuple[TransportID, int]:
    """Read the TransportID that data begins with.

    Args:
        data: One or more TransportIDs.

    Returns:
        The TransportID and how many bytes it took.

    Raises:
        MalformedError: The data ends too early, or a field has a value that SPC does not allow.
    """
    if len(data) < FIXED_SIZE:
        raise MalformedError(f"TransportID: needs {FIXED_SIZE} bytes, got {len(data)}")
    match data[0] & 0xCF:  # FORMAT CODE and PROTOCOL IDENTIFIER; the bits between are reserved
        case 0x00:
            return FibreChannelTransportID(int.from_bytes(data[8:16], "big")), FIXED_SIZE
        case 0x06:
            return SASTransportID(int.from_bytes(data[4:12], "big")), FIXED_SIZE
        case 0x05 | 0x45:
            return _decode_iscsi(data)
        case first if first & 0x0F in (0x0, 0x5, 0x6):
            raise MalformedError(f"TransportID: unknown FORMAT CODE in {data[0]:#04x}")
        case _:
            return OtherTransportID(bytes(data[:FIXED_SIZE])), FIXED_SIZE


def decode_list(data: bytes) -> tuple[TransportID, ...]:
    """Read TransportIDs until the data ends.

    Raises:
        MalformedError: One of them is malformed.
    """
    found = []
    while data:
        transport_id, size = decode(data)
        found.append(transport_id)
        data = data[size:]
    return tuple(found)


def _decode_iscsi(data: bytes) -> tuple[ISCSITransportID, int]:
    additional_length = int.from_bytes(data[2:4], "big")
    size = 4 + additional_length
    if additional_length < 20 or additional_length % 4 or len(data) < size:
        raise MalformedError(
            f"TransportID: ADDITIONAL LENGTH {additional_length} with {len(data)} bytes"
        )
    text, terminator, _ = data[4:size].partition(b"\0")
    if not terminator:
        raise MalformedError("iSCSI NAME: no terminating NUL")
    try:
        decoded = text.decode()
    except UnicodeDecodeError as error:
        raise MalformedError(f"iSCSI NAME: {text!r} is not UTF-8") from error
    isid = None
    if data[0] & 0xC0:
        decoded, separator, digits = decoded.partition(",i,0x")
        if not separator or not re.fullmatch("[0-9A-Fa-f]{1,12}", digits):
            raise MalformedError(f"iSCSI NAME: {text!r} has no initiator session ID")
        isid = int(digits, 16)
    transport_id = ISCSITransportID(decoded, isid)
    transport_id.encode()  # refuses what no initiator may be called
    return transport_id, size


def parse(text: str) -> SASTransportID | ISCSITransportID:
    """Read an initiator's name as people write it.

    Args:
        text: ``naa.`` and 16 hex digits (SAS), or an iSCSI name that begins with ``iqn.``,
            ``eui.`` or ``naa.``, with ``,i,0x`` and up to 12 hex digits behind it for one port.

    Raises:
        MalformedError: It is none of these.
    """
    if re.fullmatch("naa\\.[0-9A-Fa-f]{16}", text):
        return SASTransportID(int(text[4:], 16))
    name, separator, digits = text.partition(",i,0x")
    if not re.fullmatch("(iqn|eui)\\.\\S+", name):
        raise MalformedError(
            f"initiator name {text!r}: want naa. and 16 hex digits, or an iSCSI name (iqn.…)"
        )
    if separator and not re.fullmatch("[0-9A-Fa-f]{1,12}", digits):
        raise MalformedError(f"initiator name {text!r}: want up to 12 hex digits after ,i,0x")
    transport_id = ISCSITransportID(name, int(digits, 16) if separator else None)
    transport_id.encode()
    return transport_id
