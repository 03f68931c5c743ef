"""Commands that hosts send all the time cost the same for two registrants and for 2,000.

Nothing is timed: what is counted is how often a command asks the unit's memory, and how much it
walks of what the memory gives.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import pytest

from qemu_pr.logical_unit import MemoryState, Nexus, Registration, Reservation
from qemu_pr.scsi.commands import InServiceAction as In
from qemu_pr.scsi.commands import ReservationType as Type
from qemu_pr.scsi.status import Completion, Status
from qemu_pr.scsi.transport_ids import SASTransportID
from shared_disk import A, B, Disk, Host

FEW, MANY = 2, 2_000  # more than a READ KEYS of 8 kB has room for
SINGLE_HOLDER = [
    Type.WRITE_EXCLUSIVE,
    Type.EXCLUSIVE_ACCESS,
    Type.WRITE_EXCLUSIVE_REGISTRANTS_ONLY,
    Type.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY,
]


class CountingState:
    """A memory that counts each access, and each element that is taken of what it gives."""

    def __init__(self, state: MemoryState) -> None:
        self.__dict__.update(memory=state, counted=Counter())

    def __getattr__(self, name: str) -> object:
        self.counted[name] += 1
        value = getattr(self.memory, name)
        if not callable(value):
            return value

        def call(*arguments: object) -> object:
            given = value(*arguments)
            return self._walked(name, given) if isinstance(given, list) else given

        return call

    def __setattr__(self, name: str, value: object) -> None:
        self.counted[f"set {name}"] += 1
        setattr(self.memory, name, value)

    def _walked(self, name: str, elements: Iterable[object]) -> Iterator[object]:
        for element in elements:
            self.counted[f"element of {name}"] += 1
            yield element


def cost(registrants: int, type_: int | None, command: Callable[[Host], Completion]) -> Counter:
    """Count what a command of the first host costs.

    The first host has key A and holds the reservation, if there is a type; the second has key B;
    the others have keys of their own.
    """
    memory = MemoryState()
    disk = Disk(state=memory)
    sender, _ = disk.registered_hosts(A, B)
    if type_:
        sender.reserve(A, type_)
    for number in range(1, registrants - 1):
        memory.register(Nexus(SASTransportID(number)), Registration(0x1000 + number))
    counting = CountingState(memory)
    measured = Host(Disk(state=counting).unit, sender.nexus)

    assert command(measured).status == Status.GOOD
    return counting.counted


def from_another(command: Callable[[Host], Completion]) -> Callable[[Host], Completion]:
    """Send the command from the second host."""

    def send(host: Host) -> Completion:
        return command(Host(host.unit, Disk().host(2).nexus))

    return send


def register_a_new_host(host: Host) -> Completion:
    return Host(host.unit, Disk().host(9).nexus).register(0, 0xE)


COMMANDS = [
    ("REGISTER", register_a_new_host, [None, *Type]),
    ("REGISTER of another key", lambda host: host.register(A, 0xE), [None, *Type]),
    ("RESERVE", lambda host: host.reserve(A, Type.EXCLUSIVE_ACCESS), [None]),
    ("RESERVE again", lambda host: host.reserve(A, Type.EXCLUSIVE_ACCESS), [Type.EXCLUSIVE_ACCESS]),
    ("READ RESERVATION", lambda host: host.read(In.READ_RESERVATION), [None, *Type]),
    ("REPORT CAPABILITIES", lambda host: host.read(In.REPORT_CAPABILITIES), [None, *Type]),
    ("RELEASE, type 1", lambda host: host.release(A, 1), [Type.WRITE_EXCLUSIVE]),
    ("RELEASE, type 3", lambda host: host.release(A, 3), [Type.EXCLUSIVE_ACCESS]),
    ("RELEASE by another", from_another(lambda host: host.release(B, 1)), SINGLE_HOLDER),
    # With a registrants only type every other registrant is told when the holder leaves.
    (
        "unregistering the holder",
        lambda host: host.register(A, 0),
        [None, 1, 3, Type.WRITE_EXCLUSIVE_ALL_REGISTRANTS, Type.EXCLUSIVE_ACCESS_ALL_REGISTRANTS],
    ),
    ("unregistering another", from_another(lambda host: host.register(B, 0)), [None, *Type]),
    ("PREEMPT of one key", lambda host: host.preempt(A, B, 1), [None, *Type]),
    ("PREEMPT of the holder", from_another(lambda host: host.preempt(B, A, 1)), [1]),
]


@pytest.mark.parametrize(
    ("command", "type_"),
    [
        pytest.param(command, type_, id=f"{name}, {Type(type_).name if type_ else 'unreserved'}")
        for name, command, types in COMMANDS
        for type_ in types
    ],
)
def test_a_command_costs_the_same_for_few_and_for_many_registrants(command, type_):
    few, many = cost(FEW, type_, command), cost(MANY, type_, command)

    assert many == few
    assert many["registered"] == 0


def test_a_command_that_everybody_is_told_of_walks_the_registrants_once():
    """The counting counts: what must grow with the registrants does."""

    def release(host: Host) -> Completion:
        return host.release(A, Type.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY)

    many = cost(MANY, Type.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY, release)

    assert many["element of registered"] == MANY
    assert many["establish_unit_attention"] == MANY - 1


@pytest.mark.parametrize("type_", [None, *Type])
@pytest.mark.parametrize(
    ("action", "fitting"), [(In.READ_KEYS, 1023), (In.READ_FULL_STATUS, 8192 // 48 + 1)]
)
def test_reading_all_registrants_walks_only_those_that_fit(action, fitting, type_):
    many = cost(MANY, type_, lambda host: host.read(action, 8192))

    assert many["element of registered"] == fitting
    assert many["registration"] == 0


def test_the_memory_is_the_one_that_is_counted():
    """Reservations reach the memory below the counter."""
    memory = MemoryState()
    [host] = Disk(state=CountingState(memory)).registered_hosts(A)

    host.reserve(A, Type.EXCLUSIVE_ACCESS)

    assert memory.reservation == Reservation(host.nexus, Type.EXCLUSIVE_ACCESS)
