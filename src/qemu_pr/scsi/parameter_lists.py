"""What a PERSISTENT RESERVE OUT command carries (SPC-4, 6.16.3 and 6.16.4)."""

from qemu_pr.record import Record
from qemu_pr.scsi import fields, transport_ids
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.transport_ids import TransportID

BASIC_SIZE = 24
"""Size of every parameter list without TransportIDs, in bytes."""


class ParameterListLengthError(MalformedError):
    """A parameter list is shorter or longer than its service action has it."""


class ParameterList(Record):
    """The parameter list of every service action but REGISTER AND MOVE.

    Attributes:
        reservation_key: RESERVATION KEY, 64 bits; 0 where the I_T nexus has none.
        service_action_reservation_key: SERVICE ACTION RESERVATION KEY, 64 bits.
        aptpl: Activate persist through power loss.
        all_tg_pt: Register through all target ports.
        initiator_ports: With SPEC_I_PT, other initiator ports to register; None without.
    """

    reservation_key: int = 0
    service_action_reservation_key: int = 0
    aptpl: bool = False
    all_tg_pt: bool = False
    initiator_ports: tuple[TransportID, ...] | None = None

    def encode(self) -> bytes:
        """Encode as 24 bytes, and with SPEC_I_PT 4 more and the TransportIDs.

        Raises:
            MalformedError: A value does not fit into its field.
        """
        spec_i_pt = self.initiator_ports is not None
        flags = spec_i_pt << 3 | self.all_tg_pt << 2 | self.aptpl
        data = _encode_keys(self) + bytes((0, 0, 0, 0, flags, 0, 0, 0))
        if self.initiator_ports is None:
            return data
        ports = b"".join(port.encode() for port in self.initiator_ports)
        return data + len(ports).to_bytes(4, "big") + ports

    @classmethod
    def decode(cls, data: bytes) -> "ParameterList":
        """Read a parameter list; obsolete and reserved fields are ignored.

        Raises:
            ParameterListLengthError: There are fewer than 24 bytes, or more without SPEC_I_PT.
            MalformedError: The TransportIDs are malformed.
        """
        _check_size(data)
        spec_i_pt = bool(data[20] & 0x08)
        if not spec_i_pt and len(data) != BASIC_SIZE:
            raise ParameterListLengthError(
                f"parameter list: {len(data)} bytes, not {BASIC_SIZE}, without SPEC_I_PT"
            )
        return cls(
            reservation_key=int.from_bytes(data[0:8], "big"),
            service_action_reservation_key=int.from_bytes(data[8:16], "big"),
            aptpl=bool(data[20] & 0x01),
            all_tg_pt=bool(data[20] & 0x04),
            initiator_ports=_decode_initiator_ports(data) if spec_i_pt else None,
        )


class RegisterAndMoveParameterList(Record):
    """The parameter list of REGISTER AND MOVE.

    Attributes:
        reservation_key: RESERVATION KEY of the I_T nexus that holds the reservation, 64 bits.
        service_action_reservation_key: The key to register for the new holder, 64 bits.
        relative_target_port_identifier: Target port of the new holder's I_T nexus, 16 bits.
        transport_id: Initiator port of the new holder's I_T nexus.
        unreg: Unregister the I_T nexus that held the reservation.
        aptpl: Activate persist through power loss.
    """

    reservation_key: int
    service_action_reservation_key: int
    relative_target_port_identifier: int
    transport_id: TransportID
    unreg: bool = False
    aptpl: bool = False

    def encode(self) -> bytes:
        """Encode as 24 bytes and the TransportID.

        Raises:
            MalformedError: A value does not fit into its field.
        """
        fields.check(self.relative_target_port_identifier, 16, "RELATIVE TARGET PORT IDENTIFIER")
        port = self.transport_id.encode()
        return (
            _encode_keys(self)
            + bytes((0, self.unreg << 1 | self.aptpl))
            + self.relative_target_port_identifier.to_bytes(2, "big")
            + len(port).to_bytes(4, "big")
            + port
        )

    @classmethod
    def decode(cls, data: bytes) -> "RegisterAndMoveParameterList":
        """Read a parameter list; reserved fields are ignored.

        Raises:
            ParameterListLengthError: There are fewer than 24 bytes.
            MalformedError: There is not one whole TransportID.
        """
        _check_size(data)
        ports = data[BASIC_SIZE:]
        if int.from_bytes(data[20:24], "big") != len(ports):
            raise MalformedError(
                f"TRANSPORTID PARAMETER DATA LENGTH: {data[20:24].hex()} with {len(ports)} bytes"
            )
        transport_id, size = transport_ids.decode(ports)
        if size != len(ports):
            raise MalformedError(f"TransportID: {len(ports) - size} bytes too many")
        return cls(
            reservation_key=int.from_bytes(data[0:8], "big"),
            service_action_reservation_key=int.from_bytes(data[8:16], "big"),
            relative_target_port_identifier=int.from_bytes(data[18:20], "big"),
            transport_id=transport_id,
            unreg=bool(data[17] & 0x02),
            aptpl=bool(data[17] & 0x01),
        )


def _encode_keys(parameters: ParameterList | RegisterAndMoveParameterList) -> bytes:
    fields.check(parameters.reservation_key, 64, "RESERVATION KEY")
    fields.check(parameters.service_action_reservation_key, 64, "SERVICE ACTION RESERVATION KEY")
    return parameters.reservation_key.to_bytes(
        8, "big"
    ) + parameters.service_action_reservation_key.to_bytes(8, "big")


def _check_size(data: bytes) -> None:
    if len(data) < BASIC_SIZE:
        raise ParameterListLengthError(
            f"parameter list: {len(data)} bytes, fewer than {BASIC_SIZE}"
        )


def _decode_initiator_ports(data: bytes) -> tuple[TransportID, ...]:
    size = fields.read(data, BASIC_SIZE, 4, "TRANSPORTID PARAMETER DATA LENGTH")
    ports = data[BASIC_SIZE + 4 :]
    if size != len(ports):
        raise MalformedError(
            f"TRANSPORTID PARAMETER DATA LENGTH: {size}, but {len(ports)} bytes follow"
        )
    return transport_ids.decode_list(ports)
