"""The standards' numbers in words: statuses, reservation types, service actions."""

from enum import IntEnum

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


def _name(names: type[IntEnum], value: int) -> str:
    return names(value).name.replace("_", " ") if value in names.__members__.values() else ""
