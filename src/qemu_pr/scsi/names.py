"""The standards' numbers in words: statuses, sense data, reservation types, service actions."""

from enum import IntEnum

from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.sense_keys import SenseKey
from qemu_pr.scsi.status import Status

TYPE_NAMES = (
    "obsolete [0]",
    "Write Exclusive",
    "obsolete [2]",
    "Exclusive Access",
    "obsolete [4]",
    "Write Exclusive, registrants only",
    "Exclusive Access, registrants only",
    "Write Exclusive, all registrants",
    "Exclusive Access, all registrants",
    "obsolete [9]",
    *(f"obsolete [{type_:#x}]" for type_ in range(0xA, 0x10)),
)
"""The sixteen values of a reservation's TYPE field in words."""


def status_name(status: int) -> str:
    """Give the name that SAM-5 gives a status code, or a number in hex if it has none."""
    return _name(Status, status) or f"unknown status {status:#04x}"


def service_action_name(actions: type[IntEnum], service_action: int) -> str:
    """Give the name that SPC-4 gives a service action, or a number in hex if it has none.

    Args:
        actions: The service actions of the command.
        service_action: One of them, or any other value of the field.
    """
    return _name(actions, service_action) or f"unknown service action {service_action:#04x}"


def sense_text(sense: Sense) -> str:
    """Give the additional sense code and its qualifier in words; empty if they are not known."""
    return _ADDITIONAL_SENSE.get((sense.asc, sense.ascq), "")


def sense_words(sense: Sense) -> str:
    """Give all of it in words, as far as they are known, and the codes."""
    key = SenseKey(sense.key).name.lower().replace("_", " ")
    return ": ".join(filter(None, (key, sense_text(sense)))) + f" ({sense})"


def _name(names: type[IntEnum], value: int) -> str:
    return names(value).name.replace("_", " ") if value in names.__members__.values() else ""


# Additional sense codes that a reservation command meets, in the words of SPC-4, table F.2.
_ADDITIONAL_SENSE = {
    (0x00, 0x06): "I/O process terminated",
    (0x04, 0x00): "logical unit not ready, cause not reportable",
    (0x04, 0x01): "logical unit is in process of becoming ready",
    (0x04, 0x02): "logical unit not ready, initializing command required",
    (0x04, 0x03): "logical unit not ready, manual intervention required",
    (0x04, 0x0A): "logical unit not accessible, asymmetric access state transition",
    (0x04, 0x0B): "logical unit not accessible, target port in standby state",
    (0x04, 0x0C): "logical unit not accessible, target port in unavailable state",
    (0x05, 0x00): "logical unit does not respond to selection",
    (0x08, 0x00): "logical unit communication failure",
    (0x08, 0x01): "logical unit communication time-out",
    (0x11, 0x00): "unrecovered read error",
    (0x1A, 0x00): "parameter list length error",
    (0x20, 0x00): "invalid command operation code",
    (0x24, 0x00): "invalid field in CDB",
    (0x25, 0x00): "logical unit not supported",
    (0x26, 0x00): "invalid field in parameter list",
    (0x26, 0x04): "invalid release of persistent reservation",
    (0x27, 0x00): "write protected",
    (0x27, 0x07): "space allocation failed write protect",
    (0x29, 0x00): "power on, reset, or bus device reset occurred",
    (0x29, 0x01): "power on occurred",
    (0x29, 0x02): "SCSI bus reset occurred",
    (0x29, 0x03): "bus device reset function occurred",
    (0x29, 0x04): "device internal reset",
    (0x29, 0x07): "I_T nexus loss occurred",
    (0x2A, 0x01): "mode parameters changed",
    (0x2A, 0x03): "reservations preempted",
    (0x2A, 0x04): "reservations released",
    (0x2A, 0x05): "registrations preempted",
    (0x2A, 0x06): "asymmetric access state changed",
    (0x2A, 0x09): "capacity data has changed",
    (0x2E, 0x02): "command timeout during processing",
    (0x2F, 0x00): "commands cleared by another initiator",
    (0x2F, 0x02): "commands cleared by device server",
    (0x3A, 0x00): "medium not present",
    (0x3F, 0x03): "inquiry data has changed",
    (0x3F, 0x0E): "reported LUNs data has changed",
    (0x44, 0x00): "internal target failure",
    (0x55, 0x02): "insufficient reservation resources",
    (0x55, 0x03): "insufficient resources",
    (0x55, 0x04): "insufficient registration resources",
}
