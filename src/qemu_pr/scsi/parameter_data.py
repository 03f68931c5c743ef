"""What a PERSISTENT RESERVE IN command returns (SPC-4, 6.15.2 to 6.15.5).

A device cuts its answer at the allocation length without changing the lengths in it. ``decode``
therefore takes what arrived, keeps each element that is whole, and says whether all were.
"""

from qemu_pr.record import Record
from qemu_pr.scsi import fields, transport_ids
from qemu_pr.scsi.commands import ReservationType
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.transport_ids import TransportID

HEADER_SIZE = 8
"""PRGENERATION and ADDITIONAL LENGTH, in bytes."""


class ReadKeys(Record):
    """READ KEYS parameter data (SPC-4, 6.15.2).

    Attributes:
        generation: PRGENERATION, 32 bits.
        keys: The registered reservation keys, 64 bits each.
        complete: Whether every key that the device has is here.
    """

    generation: int
    keys: tuple[int, ...] = ()
    complete: bool = True

    def encode(self) -> bytes:
        """Encode as 8 bytes and 8 for each key.

        Raises:
            MalformedError: A value does not fit into its field.
        """
        for key in self.keys:
            fields.check(key, 64, "RESERVATION KEY")
        keys = b"".join(key.to_bytes(8, "big") for key in self.keys)
        return encode_header(self.generation, len(keys)) + keys

    @classmethod
    def decode(cls, data: bytes) -> "ReadKeys":
        """Read parameter data, maybe cut at the allocation length.

        Raises:
            MalformedError: There are fewer than 8 bytes, or part of a key is announced.
        """
        generation, length, body = _decode_header(data)
        if length % 8:
            raise MalformedError(f"ADDITIONAL LENGTH: {length} is no multiple of 8")
        whole = len(body) - len(body) % 8
        keys = tuple(int.from_bytes(body[i : i + 8], "big") for i in range(0, whole, 8))
        return cls(generation, keys, complete=whole == length)


class Reservation(Record):
    """A persistent reservation as READ RESERVATION tells of it.

    Attributes:
        key: The holder's reservation key, 64 bits; 0 with the all registrants types.
        type: `ReservationType`, or any other value of its 4 bits.
        scope: `Scope`, or any other value of its 4 bits.
    """

    key: int
    type: int
    scope: int = 0


class ReadReservation(Record):
    """READ RESERVATION parameter data (SPC-4, 6.15.3).

    Attributes:
        generation: PRGENERATION, 32 bits.
        reservation: The persistent reservation; None if there is none or it did not arrive.
        complete: Whether the answer is whole.
    """

    generation: int
    reservation: Reservation | None = None
    complete: bool = True

    def encode(self) -> bytes:
        """Encode as 8 bytes, or 24 with a reservation.

        Raises:
            MalformedError: A value does not fit into its field.
        """
        if self.reservation is None:
            return encode_header(self.generation, 0)
        fields.check(self.reservation.key, 64, "RESERVATION KEY")
        return (
            encode_header(self.generation, 16)
            + self.reservation.key.to_bytes(8, "big")
            + bytes(5)
            + _encode_scope_and_type(self.reservation.scope, self.reservation.type)
            + bytes(2)
        )

    @classmethod
    def decode(cls, data: bytes) -> "ReadReservation":
        """Read parameter data, maybe cut at the allocation length.

        Raises:
            MalformedError: There are fewer than 8 bytes, or the length is neither 0 nor 16.
        """
        generation, length, body = _decode_header(data)
        if length not in (0, 16):
            raise MalformedError(f"ADDITIONAL LENGTH: {length} is neither 0 nor 16")
        if len(body) < length or length == 0:
            return cls(generation, None, complete=length == 0)
        reservation = Reservation(int.from_bytes(body[:8], "big"), body[13] & 0x0F, body[13] >> 4)
        return cls(generation, reservation)


# TYPE MASK bits of REPORT CAPABILITIES, of the 16-bit field (SPC-4, table 209).
_TYPE_MASK = {
    ReservationType.WRITE_EXCLUSIVE_ALL_REGISTRANTS: 0x8000,
    ReservationType.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY: 0x4000,
    ReservationType.WRITE_EXCLUSIVE_REGISTRANTS_ONLY: 0x2000,
    ReservationType.EXCLUSIVE_ACCESS: 0x0800,
    ReservationType.WRITE_EXCLUSIVE: 0x0200,
    ReservationType.EXCLUSIVE_ACCESS_ALL_REGISTRANTS: 0x0001,
}


class ReportCapabilities(Record):
    """REPORT CAPABILITIES parameter data (SPC-4, 6.15.4), 8 bytes.

    Attributes:
        types: The types the device supports; None if it does not say (TMV is zero).
        crh: Compatible reservation handling.
        sip_c: Specify initiator ports capable.
        atp_c: All target ports capable.
        ptpl_c: Persist through power loss capable.
        ptpl_a: Persist through power loss activated.
        rlr_c: Replace lost reservation capable.
        allow_commands: ALLOW COMMANDS, 3 bits (SPC-4, table 208).
    """

    types: frozenset[ReservationType] | None
    crh: bool = False
    sip_c: bool = False
    atp_c: bool = False
    ptpl_c: bool = False
    ptpl_a: bool = False
    rlr_c: bool = False
    allow_commands: int = 0

    def encode(self) -> bytes:
        """Encode as 8 bytes.

        Raises:
            MalformedError: A value does not fit into its field.
        """
        fields.check(self.allow_commands, 3, "ALLOW COMMANDS")
        tmv = self.types is not None
        mask = sum(_TYPE_MASK[type_] for type_ in self.types or ())
        return (
            bytes((0, 8))
            + bytes(
                (
                    self.rlr_c << 7
                    | self.crh << 4
                    | self.sip_c << 3
                    | self.atp_c << 2
                    | self.ptpl_c,
                    tmv << 7 | self.allow_commands << 4 | self.ptpl_a,
                )
            )
            + mask.to_bytes(2, "big")
            + bytes(2)
        )

    @classmethod
    def decode(cls, data: bytes) -> "ReportCapabilities":
        """Read parameter data.

        Raises:
            MalformedError: The type mask did not arrive, or LENGTH is not 8.
        """
        if fields.read(data, 0, 2, "LENGTH") != 8:
            raise MalformedError(f"LENGTH: {data[:2].hex()}, not 8")
        mask = fields.read(data, 4, 2, "PERSISTENT RESERVATION TYPE MASK")
        types = frozenset(type_ for type_, bit in _TYPE_MASK.items() if mask & bit)
        return cls(
            types=types if data[3] & 0x80 else None,
            crh=bool(data[2] & 0x10),
            sip_c=bool(data[2] & 0x08),
            atp_c=bool(data[2] & 0x04),
            ptpl_c=bool(data[2] & 0x01),
            ptpl_a=bool(data[3] & 0x01),
            rlr_c=bool(data[2] & 0x80),
            allow_commands=data[3] >> 4 & 0x07,
        )


class FullStatus(Record):
    """A full status descriptor: one registered I_T nexus (SPC-4, table 211).

    Attributes:
        key: RESERVATION KEY, 64 bits.
        transport_id: The initiator port.
        relative_target_port_identifier: The target port, 16 bits; undefined with all_tg_pt.
        all_tg_pt: The registration is for all target ports.
        holder: R_HOLDER: the I_T nexus holds the persistent reservation.
        type: The reservation's type where holder, else 0; 4 bits.
        scope: The reservation's scope where holder, else 0; 4 bits.
    """

    key: int
    transport_id: TransportID
    relative_target_port_identifier: int = 0
    all_tg_pt: bool = False
    holder: bool = False
    type: int = 0
    scope: int = 0

    def encode(self) -> bytes:
        """Encode as 24 bytes and the TransportID.

        Raises:
            MalformedError: A value does not fit into its field.
        """
        fields.check(self.key, 64, "RESERVATION KEY")
        fields.check(self.relative_target_port_identifier, 16, "RELATIVE TARGET PORT IDENTIFIER")
        port = self.transport_id.encode()
        return (
            self.key.to_bytes(8, "big")
            + bytes((0, 0, 0, 0, self.all_tg_pt << 1 | self.holder))
            + _encode_scope_and_type(self.scope, self.type)
            + bytes(4)
            + self.relative_target_port_identifier.to_bytes(2, "big")
            + len(port).to_bytes(4, "big")
            + port
        )


class ReadFullStatus(Record):
    """READ FULL STATUS parameter data (SPC-4, 6.15.5).

    Attributes:
        generation: PRGENERATION, 32 bits.
        descriptors: One for each registered I_T nexus.
        complete: Whether every descriptor that the device has is here.
    """

    generation: int
    descriptors: tuple[FullStatus, ...] = ()
    complete: bool = True

    def encode(self) -> bytes:
        """Encode as 8 bytes and the descriptors.

        Raises:
            MalformedError: A value does not fit into its field.
        """
        descriptors = b"".join(descriptor.encode() for descriptor in self.descriptors)
        return encode_header(self.generation, len(descriptors)) + descriptors

    @classmethod
    def decode(cls, data: bytes) -> "ReadFullStatus":
        """Read parameter data, maybe cut at the allocation length.

        Raises:
            MalformedError: There are fewer than 8 bytes, or a whole descriptor is malformed.
        """
        generation, length, body = _decode_header(data)
        found = []
        offset = 0
        while len(body) >= offset + 24:
            size = 24 + int.from_bytes(body[offset + 20 : offset + 24], "big")
            if offset + size > length:
                raise MalformedError(f"ADDITIONAL DESCRIPTOR LENGTH: {size - 24} at {offset}")
            if len(body) < offset + size:
                break
            found.append(_decode_descriptor(body[offset : offset + size]))
            offset += size
        return cls(generation, tuple(found), complete=offset == length)


def encode_header(generation: int, additional_length: int) -> bytes:
    """Encode the first 8 bytes of READ KEYS, READ RESERVATION and READ FULL STATUS data.

    Args:
        generation: PRGENERATION, 32 bits.
        additional_length: Of all that the device has, in bytes; more than it sends if it cuts.

    Raises:
        MalformedError: A value does not fit into its field.
    """
    fields.check(generation, 32, "PRGENERATION")
    return generation.to_bytes(4, "big") + additional_length.to_bytes(4, "big")


ParameterData = ReadKeys | ReadReservation | ReportCapabilities | ReadFullStatus


def _decode_descriptor(data: bytes) -> FullStatus:
    transport_id, _ = transport_ids.decode(data[24:])
    return FullStatus(
        key=int.from_bytes(data[:8], "big"),
        transport_id=transport_id,
        relative_target_port_identifier=int.from_bytes(data[18:20], "big"),
        all_tg_pt=bool(data[12] & 0x02),
        holder=bool(data[12] & 0x01),
        type=data[13] & 0x0F,
        scope=data[13] >> 4,
    )


def _decode_header(data: bytes) -> tuple[int, int, bytes]:
    """Split into PRGENERATION, ADDITIONAL LENGTH, and as much of the rest as is valid."""
    generation = fields.read(data, 0, 4, "PRGENERATION")
    length = fields.read(data, 4, 4, "ADDITIONAL LENGTH")
    return generation, length, data[HEADER_SIZE : HEADER_SIZE + length]


def _encode_scope_and_type(scope: int, type_: int) -> bytes:
    fields.check(scope, 4, "SCOPE")
    fields.check(type_, 4, "TYPE")
    return bytes((scope << 4 | type_,))
