"""Does the disk's answer to a step say what the right one says? If not: what is the difference?

What is compared is what SPC-4 asks for and software acts on. A disk may count registrations of
several paths of one nexus, list them in any order, and choose among the codes of a refusal.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from qemu_pr.logical_unit import Nexus
from qemu_pr.scsi import sense_codes
from qemu_pr.scsi.commands import InServiceAction
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.names import TYPE_NAMES, status_name
from qemu_pr.scsi.parameter_data import (
    ReadFullStatus,
    ReadKeys,
    ReadReservation,
    ReportCapabilities,
)
from qemu_pr.scsi.sense_keys import SenseKey
from qemu_pr.scsi.status import Completion, Status
from qemu_pr.validate.keys import Keys
from qemu_pr.validate.steps import Look, Step, Who


@dataclass(frozen=True, slots=True)
class Deviation:
    """How an answer differs from the right one.

    Attributes:
        what: What was expected, and what came instead.
        is_slight: Nothing was done that must not be, and nothing left undone: the command was
            refused, as it must be, but with another status or sense key.
    """

    what: str
    is_slight: bool = False


@dataclass
class Ports:
    """By which initiator and target ports a disk knows the nexuses.

    Attributes:
        known: For each nexus, those that it was seen with; a map has one a path.
    """

    known: dict[Who, frozenset[Nexus]] = field(default_factory=dict)

    def owner(self, nexus: Nexus) -> str:
        """Tell whose a full status descriptor is: a nexus's name, or the port's."""
        for who, ports in self.known.items():
            if nexus in ports:
                return who
        by_initiator = {
            who
            for who, ports in self.known.items()
            for one in ports
            if one.initiator == nexus.initiator
        }
        return by_initiator.pop() if len(by_initiator) == 1 else str(nexus.initiator)


def is_attention(completion: Completion) -> bool:
    """Tell whether a completion reports a unit attention condition."""
    sense = sense_codes.sense_of(completion)
    return sense is not None and sense.key == SenseKey.UNIT_ATTENTION


def outcome(completion: Completion) -> str:
    """Say how a command ended, in words."""
    sense = sense_codes.sense_of(completion)
    return sense_codes.in_words(sense) if sense else status_name(completion.status)


def judge(
    step: Step, right: Completion, got: Completion, keys: Keys, ports: Ports
) -> Deviation | None:
    """Compare an answer with the right one.

    Args:
        step: What was sent.
        right: The oracle's answer.
        got: The disk's answer.
        keys: The keys of this run.
        ports: Who the nexuses are to the disk.

    Returns:
        The difference, None if there is none that counts.
    """
    if right.status == got.status == Status.GOOD:
        return _compare_data(step, right.data, got.data, keys, ports)
    if _same(right, got):
        return None
    refused = Status.GOOD not in (right.status, got.status)
    told = is_attention(right) or is_attention(got)
    if refused and not told and step.look is Look.REFUSAL:
        return None
    return Deviation(
        f"{step.words} by {step.who}: {outcome(got)}, and should be {outcome(right)}",
        is_slight=refused and not told,
    )


def _same(right: Completion, got: Completion) -> bool:
    if right.status != got.status:
        return False
    wanted, told = sense_codes.sense_of(right), sense_codes.sense_of(got)
    if wanted is None or told is None:
        return wanted is told
    if wanted.key != told.key:
        return False
    # sg_persist on another host tells the sense key alone.
    return wanted.key != SenseKey.UNIT_ATTENTION or wanted == told or told.asc == 0


def _compare_data(
    step: Step, right: bytes, got: bytes, keys: Keys, ports: Ports
) -> Deviation | None:
    if not isinstance(step.action, InServiceAction) or step.look is Look.ATTENTION:
        return None
    told = _TELLERS[step.action]
    try:
        seen = told(got, keys, ports)
    except MalformedError as error:
        return Deviation(f"{step.words} by {step.who}: the answer makes no sense: {error}")
    wanted = told(right, keys, ports)
    if seen == wanted:
        return None
    return Deviation(f"{step.words} by {step.who}: it tells {seen}, and should tell {wanted}")


def _keys(data: bytes, keys: Keys, _ports: Ports) -> str:
    told = {keys.name(key) for key in ReadKeys.decode(data).keys}
    word = "key" if len(told) == 1 else "keys"
    return f"the {word} {', '.join(sorted(told))}" if told else "no key"


def _reservation(data: bytes, keys: Keys, _ports: Ports) -> str:
    reservation = ReadReservation.decode(data).reservation
    if reservation is None:
        return "no reservation"
    key = f" of {keys.name(reservation.key)}" if reservation.key else ""
    return f"a reservation{key}, type {reservation.type} ({TYPE_NAMES[reservation.type]})"


def _full_status(data: bytes, keys: Keys, ports: Ports) -> str:
    # A map is one nexus, and one of its paths holds the reservation.
    told: dict[tuple[str, str], int] = {}
    for one in ReadFullStatus.decode(data).descriptors:
        port = Nexus(one.transport_id, one.relative_target_port_identifier)
        whose = ports.owner(port), keys.name(one.key)
        told[whose] = max(told.get(whose, 0), one.type if one.holder else 0)
    rows = [
        f"{owner} with {key}{f', which holds type {type_}' if type_ else ''}"
        for (owner, key), type_ in sorted(told.items())
    ]
    return "; ".join(rows) or "no registration"


def _capabilities(data: bytes, _keys: Keys, _ports: Ports) -> str:
    is_active = ReportCapabilities.decode(data).ptpl_a
    return f"PTPL_A {int(is_active)}"


_TELLERS: dict[InServiceAction, Callable[[bytes, Keys, Ports], str]] = {
    InServiceAction.READ_KEYS: _keys,
    InServiceAction.READ_RESERVATION: _reservation,
    InServiceAction.READ_FULL_STATUS: _full_status,
    InServiceAction.REPORT_CAPABILITIES: _capabilities,
}
