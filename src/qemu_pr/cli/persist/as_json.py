"""The data of PERSISTENT RESERVE IN as JSON; the names are those of the fields in SPC-4.

Reservation keys and addresses are strings in hex, since many readers of JSON lose digits of numbers
beyond 53 bits; all other numbers are numbers.
"""

from typing import Any

from qemu_pr.scsi.commands import InServiceAction, ReservationType
from qemu_pr.scsi.names import TYPE_NAMES
from qemu_pr.scsi.parameter_data import (
    FullStatus,
    ReadFullStatus,
    ReadKeys,
    ReadReservation,
    ReportCapabilities,
    Reservation,
)
from qemu_pr.scsi.transport_ids import (
    FibreChannelTransportID,
    ISCSITransportID,
    SASTransportID,
    TransportID,
)

# The names of the bits of the PERSISTENT RESERVATION TYPE MASK (SPC-4, table 209).
_TYPE_MASK = {
    "wr_ex": ReservationType.WRITE_EXCLUSIVE,
    "ex_ac": ReservationType.EXCLUSIVE_ACCESS,
    "wr_ex_ro": ReservationType.WRITE_EXCLUSIVE_REGISTRANTS_ONLY,
    "ex_ac_ro": ReservationType.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY,
    "wr_ex_ar": ReservationType.WRITE_EXCLUSIVE_ALL_REGISTRANTS,
    "ex_ac_ar": ReservationType.EXCLUSIVE_ACCESS_ALL_REGISTRANTS,
}


def describe(service_action: int, data: bytes) -> dict[str, Any]:
    """Describe the data of a command that ended with GOOD.

    Args:
        service_action: The command's `InServiceAction`.
        data: What the device returned.

    Returns:
        Values that `json.dumps` takes.

    Raises:
        MalformedError: The data is not what SPC-4 says.
    """
    match InServiceAction(service_action):
        case InServiceAction.READ_KEYS:
            keys = ReadKeys.decode(data)
            return {
                "prgeneration": keys.generation,
                "complete": keys.complete,
                "reservation_keys": [f"{key:#x}" for key in keys.keys],
            }
        case InServiceAction.READ_RESERVATION:
            answer = ReadReservation.decode(data)
            return {
                "prgeneration": answer.generation,
                "complete": answer.complete,
                "reservation": answer.reservation and _reservation(answer.reservation),
            }
        case InServiceAction.REPORT_CAPABILITIES:
            return _capabilities(ReportCapabilities.decode(data))
        case InServiceAction.READ_FULL_STATUS:
            status = ReadFullStatus.decode(data)
            return {
                "prgeneration": status.generation,
                "complete": status.complete,
                "full_status_descriptors": [_full_status(entry) for entry in status.descriptors],
            }


def _reservation(reservation: Reservation) -> dict[str, Any]:
    return {
        "reservation_key": f"{reservation.key:#x}",
        "scope": reservation.scope,
        "type": reservation.type,
        "type_name": TYPE_NAMES[reservation.type],
    }


def _capabilities(capabilities: ReportCapabilities) -> dict[str, Any]:
    types = capabilities.types
    mask = None if types is None else {name: type_ in types for name, type_ in _TYPE_MASK.items()}
    return {
        "rlr_c": capabilities.rlr_c,
        "crh": capabilities.crh,
        "sip_c": capabilities.sip_c,
        "atp_c": capabilities.atp_c,
        "ptpl_c": capabilities.ptpl_c,
        "tmv": types is not None,
        "allow_commands": capabilities.allow_commands,
        "ptpl_a": capabilities.ptpl_a,
        "persistent_reservation_type_mask": mask,
    }


def _full_status(entry: FullStatus) -> dict[str, Any]:
    port = None if entry.all_tg_pt else entry.relative_target_port_identifier
    return {
        "reservation_key": f"{entry.key:#x}",
        "all_tg_pt": entry.all_tg_pt,
        "r_holder": entry.holder,
        "scope": entry.scope if entry.holder else None,
        "type": entry.type if entry.holder else None,
        "type_name": TYPE_NAMES[entry.type] if entry.holder else None,
        "relative_target_port_identifier": port,
        "transport_id": _transport_id(entry.transport_id),
    }


def _transport_id(transport_id: TransportID) -> dict[str, Any]:
    fields: dict[str, Any] = {"protocol_identifier": transport_id.protocol_identifier}
    match transport_id:
        case FibreChannelTransportID(name):
            fields["n_port_name"] = f"{name:#018x}"
        case SASTransportID(address):
            fields["sas_address"] = f"{address:#018x}"
        case ISCSITransportID(name, isid):
            fields["iscsi_name"] = name
            fields["iscsi_initiator_session_id"] = None if isid is None else f"{isid:#014x}"
        case other:
            fields["data"] = other.data.hex()
    return fields
