"""What can become of a host's registration and reservation, found by trying it on a simulated disk.

Two hosts share the disk. Each service action is sent once by the one and once by the other, from
every state that they can be in; what the one is afterwards makes the figure ``reservation-life``.
"""

from collections.abc import Iterator
from itertools import product

from qemu_pr.logical_unit import LogicalUnit, MemoryState, Nexus
from qemu_pr.logical_unit.rules import Standing
from qemu_pr.manual.drawing import Arrow
from qemu_pr.scsi.commands import OutServiceAction as Out
from qemu_pr.scsi.commands import PersistentReserveOut, ReservationType
from qemu_pr.scsi.parameter_lists import ParameterList
from qemu_pr.scsi.transport_ids import parse

_HOST = Nexus(parse("naa.6001405000000001"))
_OTHER = Nexus(parse("naa.6001405000000002"))
_KEYS = {_HOST: 0xA, _OTHER: 0xB}

_NAMES = {
    Standing.UNREGISTERED: "Not registered",
    Standing.REGISTERED: "Registered",
    Standing.HOLDER: "Reservation holder",
}

# What is sent, by the name that the figure gives it.
_COMMANDS = {
    "REGISTER": Out.REGISTER,
    "REGISTER with key 0": Out.REGISTER,
    "RESERVE": Out.RESERVE,
    "RELEASE": Out.RELEASE,
    "CLEAR": Out.CLEAR,
    "PREEMPT": Out.PREEMPT,
}


def reservation_life() -> list[Arrow]:
    """Find what takes a host from one standing to another, its own doing and the other's."""
    found: dict[tuple[Standing, Standing], dict[tuple[Nexus, str], None]] = {}
    for before, (name, action), sender in product(Standing, _COMMANDS.items(), _KEYS):
        own_key = name != "REGISTER with key 0"
        for after in _tried(before, action, sender, own_key=own_key):
            if after != before:
                found.setdefault((before, after), {})[sender, name] = None
    return [
        Arrow(_NAMES[before], _NAMES[after], _listed(causes))
        for (before, after), causes in sorted(found.items(), key=lambda item: item[0])
    ]


def _tried(before: Standing, action: Out, sender: Nexus, *, own_key: bool) -> Iterator[Standing]:
    """Give what the host is after a command, for all that the other one can be before it."""
    for other in Standing:
        if before is other is Standing.HOLDER:
            continue  # with this type there is one
        unit = LogicalUnit(MemoryState())
        for nexus, standing in ((_HOST, before), (_OTHER, other)):
            if standing >= Standing.REGISTERED:
                _send(unit, nexus, Out.REGISTER, 0, _KEYS[nexus])
            if standing >= Standing.HOLDER:
                _send(unit, nexus, Out.RESERVE, _KEYS[nexus], 0)
        registered = unit.standing(sender) >= Standing.REGISTERED
        [peer] = _KEYS.keys() - {sender}
        named = _KEYS[peer] if action is Out.PREEMPT else _KEYS[sender] if own_key else 0
        _send(unit, sender, action, _KEYS[sender] if registered else 0, named)
        yield unit.standing(_HOST)


def _send(unit: LogicalUnit, nexus: Nexus, action: Out, key: int, named: int) -> None:
    data = ParameterList(key, named).encode()
    type_ = ReservationType.WRITE_EXCLUSIVE_REGISTRANTS_ONLY
    command = PersistentReserveOut(action, len(data), type=type_)
    unit.execute(nexus, command.encode(), data)


def _listed(causes: dict[tuple[Nexus, str], None]) -> str:
    own = ", ".join(name for sender, name in causes if sender == _HOST)
    others = ", ".join(name for sender, name in causes if sender == _OTHER)
    return "; ".join(filter(None, (own, others and f"another host: {others}")))
