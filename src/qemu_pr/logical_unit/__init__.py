"""The SPC-4 persistent reservation state machine of one logical unit: no I/O, no clock.

The theory (SPC-4, 5.12). Hosts reach a logical unit through **I_T nexuses**: an initiator port
paired with a target port. A nexus **registers** a key; a registered nexus may **reserve** the
unit with one of six types. The type says who holds the reservation (one nexus, or with the all
registrants types every registered one) and what the others may still do. Any registered nexus
may **preempt** another: remove its registration, and its reservation with it. A nexus that lost
something it did not give up learns of it by a **unit attention** condition at its next command.

`rules` holds the tables, `state` what a unit remembers, `unit` what each service action does.
"""

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qemu_pr.logical_unit.state import MemoryState, Nexus, Registration, Reservation, State
    from qemu_pr.logical_unit.unit import LogicalUnit

__all__ = ["LogicalUnit", "MemoryState", "Nexus", "Registration", "Reservation", "State"]


def __getattr__(name: str) -> object:
    """Import what is asked for; who wants nothing but `rules` has to load no more than these."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "unit" if name == "LogicalUnit" else "state"
    return getattr(import_module(f"{__name__}.{module}"), name)
