"""What a logical unit remembers: registrations, the reservation, unit attentions."""

from collections.abc import Iterable
from itertools import islice

from qemu_pr.record import Record
from qemu_pr.scsi.commands import ReservationType
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.transport_ids import TransportID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object


class Nexus(Record):
    """An I_T nexus: the pair of an initiator port and a target port.

    Attributes:
        initiator: The initiator port.
        target_port: RELATIVE TARGET PORT IDENTIFIER, 1 to 65535.
    """

    initiator: TransportID
    target_port: int = 1


class Registration(Record):
    """What a registered nexus registered.

    Attributes:
        key: Reservation key, 64 bits, not 0.
        all_tg_pt: It was registered for all target ports.
    """

    key: int
    all_tg_pt: bool = False


class Reservation(Record):
    """The persistent reservation; its scope is always the logical unit.

    Attributes:
        holder: The nexus that holds it. With an all registrants type every registered nexus is
            a holder; this one stands for them (the kernel's target does the same, and lets
            PREEMPT of its key replace the reservation).
        type: Its type.
    """

    holder: Nexus
    type: ReservationType


class State(Protocol):
    """The memory of a logical unit.

    Only `registered` without a limit, `count_registered` and `with_unit_attention` may take longer
    the more nexuses there are.

    Attributes:
        generation: PRGENERATION, 32 bits.
        aptpl: Whether registrations and reservation persist through a power loss.
        reservation: The persistent reservation, None if there is none.
    """

    generation: int
    aptpl: bool
    reservation: Reservation | None

    def registration(self, nexus: Nexus) -> Registration | None:
        """Give the registration of a nexus, None if it has none."""

    def registered(self, at_most: int | None = None) -> Iterable[tuple[Nexus, Registration]]:
        """Give the registered nexuses, the longest registered first; every one without a limit."""

    def count_registered(self) -> int:
        """Tell how many nexuses are registered."""

    def first_registered(self) -> Nexus | None:
        """Give the longest registered nexus, None if none is."""

    def registered_with(self, key: int) -> Iterable[Nexus]:
        """Give the nexuses registered with a key, in any order."""

    def register(self, nexus: Nexus, registration: Registration) -> None:
        """Register a nexus; one that is registered gets the new key and keeps its place."""

    def unregister(self, nexus: Nexus) -> None:
        """Remove the registration of a registered nexus."""

    def with_unit_attention(self) -> Iterable[Nexus]:
        """Give the nexuses for which a unit attention condition is pending."""

    def establish_unit_attention(self, nexus: Nexus, sense: Sense) -> None:
        """Establish a unit attention condition, unless one is pending for the nexus."""

    def take_unit_attention(self, nexus: Nexus) -> Sense | None:
        """Give and clear the unit attention condition of a nexus, None if there is none."""


class MemoryState:
    """The memory of a logical unit in this process's memory."""

    def __init__(self) -> None:
        self.generation = 0
        self.aptpl = False
        self.reservation: Reservation | None = None
        self._registrations: dict[Nexus, Registration] = {}
        self._by_key: dict[int, dict[Nexus, None]] = {}
        self._unit_attentions: dict[Nexus, Sense] = {}

    def registration(self, nexus: Nexus) -> Registration | None:
        """See `State.registration`."""
        return self._registrations.get(nexus)

    def registered(self, at_most: int | None = None) -> list[tuple[Nexus, Registration]]:
        """See `State.registered`."""
        return list(islice(self._registrations.items(), at_most))

    def count_registered(self) -> int:
        """See `State.count_registered`."""
        return len(self._registrations)

    def first_registered(self) -> Nexus | None:
        """See `State.first_registered`."""
        return next(iter(self._registrations), None)

    def registered_with(self, key: int) -> list[Nexus]:
        """See `State.registered_with`."""
        return list(self._by_key.get(key, ()))

    def register(self, nexus: Nexus, registration: Registration) -> None:
        """See `State.register`."""
        self._forget_key(nexus)
        self._registrations[nexus] = registration
        self._by_key.setdefault(registration.key, {})[nexus] = None

    def unregister(self, nexus: Nexus) -> None:
        """See `State.unregister`."""
        self._forget_key(nexus)
        del self._registrations[nexus]

    def with_unit_attention(self) -> list[Nexus]:
        """See `State.with_unit_attention`."""
        return list(self._unit_attentions)

    def establish_unit_attention(self, nexus: Nexus, sense: Sense) -> None:
        """See `State.establish_unit_attention`."""
        self._unit_attentions.setdefault(nexus, sense)

    def take_unit_attention(self, nexus: Nexus) -> Sense | None:
        """See `State.take_unit_attention`."""
        return self._unit_attentions.pop(nexus, None)

    def _forget_key(self, nexus: Nexus) -> None:
        registration = self._registrations.get(nexus)
        if registration is None:
            return
        nexuses = self._by_key[registration.key]
        del nexuses[nexus]
        if not nexuses:
            del self._by_key[registration.key]
