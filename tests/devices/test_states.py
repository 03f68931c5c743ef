"""What a unit's memory promises (`State`), kept in this process's memory and in a STATE file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from qemu_pr.devices.simulated_state import SqliteState
from qemu_pr.devices.state_file import StateFile
from qemu_pr.logical_unit import MemoryState, Nexus, Registration, Reservation, State
from qemu_pr.scsi import sense
from qemu_pr.scsi.commands import ReservationType
from qemu_pr.scsi.transport_ids import SASTransportID

FIRST, SECOND, THIRD = (Nexus(SASTransportID(number)) for number in (3, 1, 2))
A, B = Registration(0xA), Registration(0xB, all_tg_pt=True)


@pytest.fixture(params=["memory", "file"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    if request.param == "memory":
        yield MemoryState()
        return
    file = StateFile(str(tmp_path / "state.db"))
    with file.transaction() as connection:
        SqliteState(connection, "another disk").register(FIRST, Registration(0xC))
        yield SqliteState(connection, "disk")
    file.close()


def register(state: State, *registrations: tuple[Nexus, Registration]) -> None:
    for nexus, registration in registrations:
        state.register(nexus, registration)


def test_a_new_unit_remembers_nothing(state):
    assert (state.generation, state.aptpl, state.reservation) == (0, False, None)
    assert list(state.registered()) == []
    assert state.first_registered() is None
    assert state.count_registered() == 0
    assert state.registration(FIRST) is None
    assert list(state.registered_with(0xA)) == []
    assert list(state.with_unit_attention()) == []
    assert state.take_unit_attention(FIRST) is None


def test_registered_nexuses_come_in_the_order_of_registration(state):
    register(state, (FIRST, A), (SECOND, B), (THIRD, A))

    assert list(state.registered()) == [(FIRST, A), (SECOND, B), (THIRD, A)]
    assert set(state.registered_with(0xA)) == {FIRST, THIRD}
    assert state.first_registered() == FIRST
    assert state.registration(SECOND) == B


def test_the_longest_registered_nexuses_come_alone_if_no_more_are_asked_for(state):
    register(state, (FIRST, A), (SECOND, B), (THIRD, A))

    assert list(state.registered(at_most=2)) == [(FIRST, A), (SECOND, B)]
    assert list(state.registered(at_most=0)) == []
    assert list(state.registered(at_most=4)) == list(state.registered())
    assert state.count_registered() == 3


def test_what_is_set_is_remembered_until_it_is_set_again(state):
    register(state, (FIRST, A))
    reservation = Reservation(FIRST, ReservationType.EXCLUSIVE_ACCESS)

    state.generation, state.aptpl, state.reservation = 0xFFFFFFFF, True, reservation
    assert (state.generation, state.aptpl, state.reservation) == (0xFFFFFFFF, True, reservation)

    state.generation, state.aptpl, state.reservation = 0, False, None
    assert (state.generation, state.aptpl, state.reservation) == (0, False, None)


def test_a_new_key_keeps_the_place_of_the_nexus(state):
    register(state, (FIRST, A), (SECOND, B))

    state.register(FIRST, B)

    assert list(state.registered()) == [(FIRST, B), (SECOND, B)]
    assert list(state.registered_with(0xA)) == []
    assert set(state.registered_with(0xB)) == {FIRST, SECOND}


def test_nexuses_that_got_a_key_later_are_found_by_it(state):
    register(state, (FIRST, A), (SECOND, B))

    state.register(FIRST, B)

    assert set(state.registered_with(0xB)) == {FIRST, SECOND}


def test_an_unregistered_nexus_is_gone_and_comes_back_last(state):
    register(state, (FIRST, A), (SECOND, A))

    state.unregister(FIRST)
    assert state.registration(FIRST) is None
    assert list(state.registered()) == [(SECOND, A)]
    assert list(state.registered_with(0xA)) == [SECOND]
    assert state.first_registered() == SECOND

    state.register(FIRST, A)
    assert list(state.registered()) == [(SECOND, A), (FIRST, A)]


def test_registrations_may_change_while_what_was_given_is_walked(state):
    register(state, (FIRST, A), (SECOND, A), (THIRD, A))

    for nexus in state.registered_with(0xA):
        state.unregister(nexus)

    assert list(state.registered()) == []


def test_the_first_unit_attention_stays_until_it_is_taken(state):
    state.establish_unit_attention(FIRST, sense.RESERVATIONS_RELEASED)
    state.establish_unit_attention(FIRST, sense.RESERVATIONS_PREEMPTED)
    state.establish_unit_attention(SECOND, sense.REGISTRATIONS_PREEMPTED)

    assert set(state.with_unit_attention()) == {FIRST, SECOND}
    assert state.take_unit_attention(FIRST) == sense.RESERVATIONS_RELEASED
    assert state.take_unit_attention(FIRST) is None
    assert state.take_unit_attention(SECOND) == sense.REGISTRATIONS_PREEMPTED
