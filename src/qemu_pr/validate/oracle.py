"""What is right: the answers of a logical unit that nobody else uses."""

from qemu_pr.logical_unit import LogicalUnit, MemoryState
from qemu_pr.scsi.status import Completion
from qemu_pr.validate.keys import Keys
from qemu_pr.validate.steps import Look, Nexuses, Step, Task, Who


class Oracle:
    """A logical unit that is sent what the disk is sent.

    Args:
        keys: The keys of this run.
        nexuses: Who the nexuses are.
    """

    def __init__(self, keys: Keys, nexuses: Nexuses) -> None:
        self._keys = keys
        self._nexuses = nexuses
        self._state = MemoryState()
        ports = sorted({nexus.target_port for nexus in nexuses.values()})
        self._unit = LogicalUnit(self._state, ports)

    def answer(self, step: Step) -> Completion:
        """Send a step, and give the answer that is right."""
        nexus = self._nexuses[step.who]
        if step.look is not Look.ATTENTION:
            self._state.take_unit_attention(nexus)
        match step.action:
            case Task.RESET:
                self._unit.reset(*self._nexuses.values())
                return Completion(0)
            case Task.READ | Task.WRITE:
                return self._unit.medium(nexus, write=step.action is Task.WRITE)
            case _:
                return self._unit.execute(nexus, *step.command(self._keys, self._nexuses))

    def registered_key(self, who: Who) -> int:
        """Give the key that a nexus is registered with now; 0 if it is not."""
        registration = self._state.registration(self._nexuses[who])
        return registration.key if registration else 0

    @property
    def reserved(self) -> tuple[Who, int] | None:
        """Who holds the reservation now, and its type; None if there is none."""
        reservation = self._state.reservation
        if reservation is None:
            return None
        who = next((who for who, one in self._nexuses.items() if one == reservation.holder), None)
        return (who, reservation.type) if who else None
