"""Disks that do not keep to SPC-4, as public reports describe them: each a unit with one oddity."""

from dataclasses import dataclass

from qemu_pr.logical_unit import LogicalUnit, Nexus
from qemu_pr.logical_unit.state import Registration
from qemu_pr.scsi import transport_ids
from qemu_pr.scsi.commands import OutServiceAction, PersistentReserveOut
from qemu_pr.scsi.parameter_lists import ParameterList
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.status import GOOD, Completion

_THE_ONE = Nexus(transport_ids.parse("naa.5000000000000001"))
_NOT_READY = Completion.check_condition(Sense(0x02, 0x08, 0x00))


class _IgnoreReplaces(LogicalUnit):
    def _register(
        self, nexus: Nexus, command: PersistentReserveOut, parameters: ParameterList
    ) -> Completion:
        completion = super()._register(nexus, command, parameters)
        ignores = command.service_action == OutServiceAction.REGISTER_AND_IGNORE_EXISTING_KEY
        if ignores and parameters.service_action_reservation_key and completion == GOOD:
            reservation = self._state.reservation
            if reservation and reservation.holder != nexus:
                self._state.reservation = None
            for other in self._registered_but(nexus):
                self._state.unregister(other)
        return completion


class _ForgetsAtReset(LogicalUnit):
    def reset(self, *also: Nexus) -> None:
        super().reset(*also)
        self._state.reservation = None
        for nexus, _ in list(self._state.registered()):
            self._state.unregister(nexus)


class _NoAttention(LogicalUnit):
    def _preempt(
        self, nexus: Nexus, command: PersistentReserveOut, parameters: ParameterList
    ) -> Completion:
        before = set(self._state.with_unit_attention())
        completion = super()._preempt(nexus, command, parameters)
        for other in set(self._state.with_unit_attention()) - before:
            self._state.take_unit_attention(other)
        return completion


class _PreemptKeeps(LogicalUnit):
    def _preempt(
        self, nexus: Nexus, command: PersistentReserveOut, parameters: ParameterList
    ) -> Completion:
        before: list[tuple[Nexus, Registration]] = list(self._state.registered())
        completion = super()._preempt(nexus, command, parameters)
        for other, registration in before:
            if self._state.registration(other) is None:
                self._state.register(other, registration)
        return completion


class _OneInitiator(LogicalUnit):
    def execute(self, nexus: Nexus, cdb: bytes, data_out: bytes = b"") -> Completion:  # noqa: ARG002
        return super().execute(_THE_ONE, cdb, data_out)

    def medium(self, nexus: Nexus, *, write: bool) -> Completion:  # noqa: ARG002
        return super().medium(_THE_ONE, write=write)


class _NotReady(LogicalUnit):
    def _register(
        self, nexus: Nexus, command: PersistentReserveOut, parameters: ParameterList
    ) -> Completion:
        completion = super()._register(nexus, command, parameters)
        return _NOT_READY if completion == GOOD else completion


class _DoesNotEnforce(LogicalUnit):
    def medium(self, nexus: Nexus, *, write: bool) -> Completion:  # noqa: ARG002
        attention = self._state.take_unit_attention(nexus)
        return GOOD if attention is None else Completion.check_condition(attention)


@dataclass(frozen=True, slots=True)
class Quirk:
    """An oddity that a simulated disk can have.

    Attributes:
        text: What it does, for the manual.
        unit: The logical unit that has it.
        other_disk: This host's commands reach another disk.
        resets_at_start: A host's first command finds the disk reset.
    """

    text: str
    unit: type[LogicalUnit] = LogicalUnit
    other_disk: bool = False
    resets_at_start: bool = False


QUIRKS: dict[str, Quirk] = {
    "ignore-replaces": Quirk(
        "REGISTER AND IGNORE EXISTING KEY of one host removes the registrations of the others",
        _IgnoreReplaces,
    ),
    "forgets-at-reset": Quirk(
        "a reset takes registrations and reservation away, in spite of APTPL; the first command"
        " of each helper process on a disk finds it reset",
        _ForgetsAtReset,
        resets_at_start=True,
    ),
    "no-attention": Quirk("a host that was preempted is not told of it", _NoAttention),
    "preempt-keeps": Quirk("PREEMPT leaves the registration that it should remove", _PreemptKeeps),
    "one-initiator": Quirk(
        "all hosts are one to the disk, as behind a gateway with one initiator port",
        _OneInitiator,
    ),
    "other-disk": Quirk(
        "the commands of this host reach another disk, as through a path that is wired wrongly",
        other_disk=True,
    ),
    "not-ready": Quirk(
        "REGISTER ends with NOT READY, 02/08/00, although it registers: what Linux' target says if"
        " */etc/target/pr* is missing",
        _NotReady,
    ),
    "no-enforcement": Quirk(
        "reads and writes are carried out, whoever holds the reservation", _DoesNotEnforce
    ),
}
"""By the name that ``--quirk`` has for it."""
