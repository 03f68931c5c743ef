"""The rules of persistent reservations that tables can hold; the manual's tables are these."""

from enum import IntEnum

from qemu_pr.record import Record
from qemu_pr.scsi.commands import OutServiceAction as Out
from qemu_pr.scsi.commands import ReservationType as Type

REGISTRANTS_ONLY = frozenset(
    (Type.WRITE_EXCLUSIVE_REGISTRANTS_ONLY, Type.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY)
)
ALL_REGISTRANTS = frozenset(
    (Type.WRITE_EXCLUSIVE_ALL_REGISTRANTS, Type.EXCLUSIVE_ACCESS_ALL_REGISTRANTS)
)

UNIT_ATTENTION_ON_RELEASE = REGISTRANTS_ONLY | ALL_REGISTRANTS
"""Types whose RELEASE tells the other registrants (SPC-4, 5.12.11.2.2)."""

UNIT_ATTENTION_ON_UNREGISTER = REGISTRANTS_ONLY
"""Types whose release by unregistering tells the other registrants (SPC-4, 5.12.11.2.3)."""


class Standing(IntEnum):
    """What an I_T nexus is to a persistent reservation; a greater one may do more."""

    UNREGISTERED = 0
    REGISTERED = 1
    HOLDER = 2


class Access(Record):
    """What a nexus may do with the medium."""

    read: bool
    write: bool


_ALL = Access(read=True, write=True)
_READ = Access(read=True, write=False)
_NONE = Access(read=False, write=False)

# Who may read and write (SPC-4, table 66). With the all registrants types whoever is registered
# is a holder, so their middle column is never met.
ACCESS: dict[Type, dict[Standing, Access]] = {
    type_: dict(
        zip((Standing.HOLDER, Standing.REGISTERED, Standing.UNREGISTERED), row, strict=True)
    )
    for type_, row in {
        Type.WRITE_EXCLUSIVE: (_ALL, _READ, _READ),
        Type.EXCLUSIVE_ACCESS: (_ALL, _NONE, _NONE),
        Type.WRITE_EXCLUSIVE_REGISTRANTS_ONLY: (_ALL, _ALL, _READ),
        Type.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY: (_ALL, _ALL, _NONE),
        Type.WRITE_EXCLUSIVE_ALL_REGISTRANTS: (_ALL, _ALL, _READ),
        Type.EXCLUSIVE_ACCESS_ALL_REGISTRANTS: (_ALL, _ALL, _NONE),
    }.items()
}

# The least standing from which a service action is looked at while a persistent reservation
# exists; from a lesser one it ends with RESERVATION CONFLICT at once (SPC-4, table 67).
LEAST_STANDING: dict[int, Standing] = {
    Out.REGISTER: Standing.UNREGISTERED,
    Out.REGISTER_AND_IGNORE_EXISTING_KEY: Standing.UNREGISTERED,
    Out.RELEASE: Standing.REGISTERED,
    Out.CLEAR: Standing.REGISTERED,
    Out.PREEMPT: Standing.REGISTERED,
    Out.PREEMPT_AND_ABORT: Standing.REGISTERED,
    Out.RESERVE: Standing.HOLDER,
    Out.REGISTER_AND_MOVE: Standing.HOLDER,
}

# With these types a registered nexus gets as far as the service action itself, which still
# refuses whoever is no holder; it shows in which of two errors is reported.
SHARED = REGISTRANTS_ONLY | ALL_REGISTRANTS


def is_admitted(service_action: int, type_: Type, standing: Standing) -> bool:
    """Tell whether a service action is looked at, while a reservation of a type exists.

    Args:
        service_action: Of PERSISTENT RESERVE OUT; an unknown one is only looked at for the holder.
        type_: The type of the existing persistent reservation.
        standing: What the nexus that sends the command is to that reservation; HOLDER only for
            the nexus that stands for the holders if there are several.
    """
    least = LEAST_STANDING.get(service_action)
    if least is Standing.HOLDER and type_ in SHARED:
        least = Standing.REGISTERED
    return standing >= (Standing.HOLDER if least is None else least)
