"""A disk's reservation status as JSON; what ``qemu-pr persist --json`` shows has the same names.

Whatever a disk tells, the names are there; what it does not tell is null.
"""

from typing import Any

from qemu_pr.cli.persist import as_json
from qemu_pr.client.failures import Failure
from qemu_pr.reservation_status import KnownAccess, Registrant, ReservationStatus
from qemu_pr.scsi.commands import InServiceAction
from qemu_pr.scsi.parameter_data import ReadFullStatus, ReadReservation, ReportCapabilities
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.sense_codes import name_of

_NAMES = (
    "prgeneration",
    "reservation",
    "registrations",
    "registered",
    "complete",
    "others",
    "consistent",
    "capabilities",
    "unit_attentions",
)

_NAMES_BESIDE_KEY = (
    "initiator",
    "all_tg_pt",
    "scope",
    "type",
    "type_name",
    "relative_target_port_identifier",
    "transport_id",
)


def describe(disk: str, result: ReservationStatus | Failure) -> dict[str, Any]:
    """Describe a disk.

    Args:
        disk: The disk as the operator named it.
        result: What it told, or why it did not.

    Returns:
        Values that `json.dumps` takes.
    """
    if isinstance(result, Failure):
        return {"device": disk, "error": _failure(result), **dict.fromkeys(_NAMES)}
    return {"device": disk, "error": None, **_status(result)}


def _status(status: ReservationStatus) -> dict[str, Any]:
    capabilities = status.capabilities
    reservation = _persist(ReadReservation(status.generation, status.reservation))["reservation"]
    return {
        "prgeneration": status.generation,
        "reservation": reservation,
        "registrations": [_registration(one) for one in status.registrants],
        "registered": status.registered,
        "complete": status.complete,
        "others": _access(status.others),
        "consistent": status.consistent,
        "capabilities": capabilities and _persist(capabilities),
        "unit_attentions": [_sense(one) for one in status.unit_attentions],
    }


def _registration(one: Registrant) -> dict[str, Any]:
    return {
        **_full_status(one),
        "reservation_key": f"{one.key:#x}",
        "r_holder": one.holder,
        **_access(one.access),
    }


def _access(access: KnownAccess) -> dict[str, bool | None]:
    return {"read": access.read, "write": access.write}


def _full_status(one: Registrant) -> dict[str, Any]:
    if one.full_status is None:
        return dict.fromkeys(_NAMES_BESIDE_KEY)
    (fields,) = _persist(ReadFullStatus(0, (one.full_status,)))["full_status_descriptors"]
    return {"initiator": str(one.full_status.transport_id), **fields}


def _persist(answer: ReadReservation | ReadFullStatus | ReportCapabilities) -> dict[str, Any]:
    """Describe an answer in the words of ``qemu-pr persist``, so that there is one vocabulary."""
    return as_json.describe(_ACTIONS[type(answer)], answer.encode())


_ACTIONS = {
    ReadReservation: InServiceAction.READ_RESERVATION,
    ReadFullStatus: InServiceAction.READ_FULL_STATUS,
    ReportCapabilities: InServiceAction.REPORT_CAPABILITIES,
}


def _failure(failure: Failure) -> dict[str, Any]:
    return {
        "exit_status": failure.exit_status,
        "reason": failure.reason,
        "advice": failure.advice,
        "sense": failure.sense and _sense(failure.sense),
    }


def _sense(sense: Sense) -> dict[str, Any]:
    return {
        "sense_key": sense.key,
        "additional_sense_code": sense.asc,
        "additional_sense_code_qualifier": sense.ascq,
        "text": name_of(sense),
    }
