"""What the unit's memory promises (`State`), kept in this process's memory."""

from qemu_pr.logical_unit import MemoryState, Nexus, Registration
from qemu_pr.scsi import sense
from qemu_pr.scsi.transport_ids import SASTransportID

FIRST, SECOND, THIRD = (Nexus(SASTransportID(number)) for number in (3, 1, 2))
A, B = Registration(0xA), Registration(0xB, all_tg_pt=True)


def state_with(*registrations: tuple[Nexus, Registration]) -> MemoryState:
    state = MemoryState()
    for nexus, registration in registrations:
        state.register(nexus, registration)
    return state


def test_a_new_unit_remembers_nothing():
    state = MemoryState()

    assert (state.generation, state.aptpl, state.reservation) == (0, False, None)
    assert list(state.registered()) == []
    assert state.first_registered() is None
    assert state.registration(FIRST) is None
    assert list(state.registered_with(0xA)) == []
    assert state.take_unit_attention(FIRST) is None


def test_registered_nexuses_come_in_the_order_of_registration():
    state = state_with((FIRST, A), (SECOND, B), (THIRD, A))

    assert list(state.registered()) == [(FIRST, A), (SECOND, B), (THIRD, A)]
    assert list(state.registered_with(0xA)) == [FIRST, THIRD]
    assert state.first_registered() == FIRST
    assert state.registration(SECOND) == B


def test_a_new_key_keeps_the_place_of_the_nexus():
    state = state_with((FIRST, A), (SECOND, B))

    state.register(FIRST, B)

    assert list(state.registered()) == [(FIRST, B), (SECOND, B)]
    assert list(state.registered_with(0xA)) == []
    assert set(state.registered_with(0xB)) == {FIRST, SECOND}


def test_nexuses_that_got_a_key_later_are_found_by_it():
    state = state_with((FIRST, A), (SECOND, B))

    state.register(FIRST, B)

    assert set(state.registered_with(0xB)) == {FIRST, SECOND}


def test_an_unregistered_nexus_is_gone_and_comes_back_last():
    state = state_with((FIRST, A), (SECOND, A))

    state.unregister(FIRST)
    assert state.registration(FIRST) is None
    assert list(state.registered()) == [(SECOND, A)]
    assert list(state.registered_with(0xA)) == [SECOND]
    assert state.first_registered() == SECOND

    state.register(FIRST, A)
    assert list(state.registered()) == [(SECOND, A), (FIRST, A)]


def test_registrations_may_change_while_what_was_given_is_walked():
    state = state_with((FIRST, A), (SECOND, A), (THIRD, A))

    for nexus in state.registered_with(0xA):
        state.unregister(nexus)

    assert list(state.registered()) == []


def test_the_first_unit_attention_stays_until_it_is_taken():
    state = MemoryState()

    state.establish_unit_attention(FIRST, sense.RESERVATIONS_RELEASED)
    state.establish_unit_attention(FIRST, sense.RESERVATIONS_PREEMPTED)
    state.establish_unit_attention(SECOND, sense.REGISTRATIONS_PREEMPTED)

    assert state.take_unit_attention(FIRST) == sense.RESERVATIONS_RELEASED
    assert state.take_unit_attention(FIRST) is None
    assert state.take_unit_attention(SECOND) == sense.REGISTRATIONS_PREEMPTED
