"""PREEMPT and PREEMPT AND ABORT (SPC-4, 5.12.11.2.4 to 5.12.11.2.6)."""

from collections.abc import Callable

import pytest

from qemu_pr.scsi import sense
from qemu_pr.scsi.commands import OutServiceAction as Out
from qemu_pr.scsi.commands import ReservationType as Type
from qemu_pr.scsi.parameter_data import Reservation
from qemu_pr.scsi.status import GOOD, RESERVATION_CONFLICT, Completion
from shared_disk import A, B, C, D, Disk, Host, refusal

Preempt = Callable[..., Completion]

SHARED = [Type.WRITE_EXCLUSIVE_ALL_REGISTRANTS, Type.EXCLUSIVE_ACCESS_ALL_REGISTRANTS]
SINGLE_HOLDER = sorted(set(Type) - set(SHARED))
INVALID_TYPES = sorted(set(range(16)) - set(Type))
NOT_HELD = 0xBAD


@pytest.fixture(params=[Out.PREEMPT, Out.PREEMPT_AND_ABORT], ids=lambda action: action.name)
def preempt(request) -> Preempt:
    def send(host: Host, key: int, victim: int, type_: int, scope: int = 0) -> Completion:
        return host.out(request.param, key, victim, type_, scope)

    return send


def attentions(*hosts: Host) -> list:
    return [host.attention() for host in hosts]


# The key of the holder: the reservation changes hands.


@pytest.mark.parametrize("new_type", Type)
@pytest.mark.parametrize("type_", SINGLE_HOLDER)
def test_the_holders_key_takes_reservation_and_registration_away(preempt, type_, new_type):
    disk = Disk()
    holder, sender, third = disk.registered_hosts(A, B, C)
    holder.reserve(A, type_)

    assert preempt(sender, B, A, new_type) == GOOD
    assert disk.reservation == Reservation(0 if new_type in SHARED else B, new_type)
    assert sender.nexus in disk.holders
    assert disk.registrations == {sender.nexus: B, third.nexus: C}
    assert disk.generation == 4
    # Who keeps its registration is told only if the type changed.
    told = sense.RESERVATIONS_RELEASED if new_type != type_ else None
    assert attentions(holder, sender, third) == [sense.REGISTRATIONS_PREEMPTED, None, told]


def test_everyone_with_the_holders_key_loses_its_registration(preempt):
    disk = Disk()
    holder, sender, namesake, third = disk.registered_hosts(A, B, A, C)
    holder.reserve(A, Type.EXCLUSIVE_ACCESS)

    assert preempt(sender, B, A, Type.EXCLUSIVE_ACCESS) == GOOD
    assert disk.registrations == {sender.nexus: B, third.nexus: C}
    assert attentions(holder, namesake, third) == [
        sense.REGISTRATIONS_PREEMPTED,
        sense.REGISTRATIONS_PREEMPTED,
        None,
    ]


def test_a_sender_that_has_the_holders_key_itself_keeps_its_registration(preempt):
    disk = Disk()
    holder, sender = disk.registered_hosts(A, A)
    holder.reserve(A, Type.EXCLUSIVE_ACCESS)

    assert preempt(sender, A, A, Type.WRITE_EXCLUSIVE) == GOOD
    assert disk.registrations == {sender.nexus: A}
    assert disk.reservation == Reservation(A, Type.WRITE_EXCLUSIVE)
    assert disk.holders == {sender.nexus}
    assert holder.attention() == sense.REGISTRATIONS_PREEMPTED


@pytest.mark.parametrize("new_type", Type)
@pytest.mark.parametrize("type_", Type)
def test_a_reserving_host_that_preempts_its_own_key_changes_the_type(preempt, type_, new_type):
    disk = Disk()
    holder, other = disk.registered_hosts(A, B)
    holder.reserve(A, type_)

    assert preempt(holder, A, A, new_type) == GOOD
    assert disk.reservation.type == new_type
    assert disk.registrations == {holder.nexus: A, other.nexus: B}
    told = sense.RESERVATIONS_RELEASED if new_type != type_ else None
    assert attentions(holder, other) == [None, told]


# Another key: registrations go, the reservation stays.


@pytest.mark.parametrize("new_type", Type)
@pytest.mark.parametrize("type_", SINGLE_HOLDER)
def test_another_registered_key_removes_registrations_only(preempt, type_, new_type):
    disk = Disk()
    holder, sender, victim, namesake, other = disk.registered_hosts(A, B, C, C, D)
    holder.reserve(A, type_)

    assert preempt(sender, B, C, new_type) == GOOD
    assert disk.reservation == Reservation(A, type_)
    assert disk.registrations == {holder.nexus: A, sender.nexus: B, other.nexus: D}
    assert disk.generation == 6
    assert attentions(victim, namesake) == [sense.REGISTRATIONS_PREEMPTED] * 2
    assert attentions(holder, sender, other) == [None, None, None]


def test_without_a_reservation_none_is_made(preempt):
    disk = Disk()
    sender, victim = disk.registered_hosts(A, B)

    assert preempt(sender, A, B, Type.EXCLUSIVE_ACCESS) == GOOD
    assert disk.reservation is None
    assert disk.registrations == {sender.nexus: A}
    assert attentions(sender, victim) == [None, sense.REGISTRATIONS_PREEMPTED]


@pytest.mark.parametrize("type_", [None, *SINGLE_HOLDER])
def test_a_sender_that_is_no_holder_removes_itself_with_its_own_key(preempt, type_):
    disk = Disk()
    holder, sender, namesake = disk.registered_hosts(A, B, B)
    if type_:
        holder.reserve(A, type_)
    reservation = disk.reservation

    assert preempt(sender, B, B, Type.EXCLUSIVE_ACCESS) == GOOD
    assert disk.registrations == {holder.nexus: A}
    assert disk.reservation == reservation
    assert attentions(holder, sender, namesake) == [None, None, sense.REGISTRATIONS_PREEMPTED]


# All registrants.


@pytest.mark.parametrize("new_type", Type)
@pytest.mark.parametrize("type_", SHARED)
@pytest.mark.parametrize("sender_reserved", [True, False])
def test_key_zero_takes_an_all_registrants_reservation_from_everybody(
    preempt, type_, new_type, sender_reserved
):
    disk = Disk()
    first, second, third = disk.registered_hosts(A, B, C)
    first.reserve(A, type_)
    sender, other, key = (first, second, A) if sender_reserved else (second, first, B)

    assert preempt(sender, key, 0, new_type) == GOOD
    assert disk.reservation == Reservation(0 if new_type in SHARED else key, new_type)
    assert disk.registrations == {sender.nexus: key}
    assert disk.holders == {sender.nexus}
    assert disk.generation == 4
    assert attentions(sender) == [None]
    assert attentions(other, third) == [sense.REGISTRATIONS_PREEMPTED] * 2


@pytest.mark.parametrize("new_type", Type)
@pytest.mark.parametrize("type_", SHARED)
def test_key_zero_changes_the_type_for_the_only_registrant_too(preempt, type_, new_type):
    disk = Disk()
    [only] = disk.registered_hosts(A)
    only.reserve(A, type_)

    assert preempt(only, A, 0, new_type) == GOOD
    assert disk.reservation.type == new_type
    assert disk.holders == {only.nexus}


@pytest.mark.parametrize("type_", SHARED)
def test_a_key_but_the_reserving_hosts_removes_registrations_of_an_all_registrants_one(
    preempt, type_
):
    disk = Disk()
    first, sender, victim = disk.registered_hosts(A, B, C)
    first.reserve(A, type_)

    assert preempt(sender, B, C, Type.EXCLUSIVE_ACCESS) == GOOD
    assert disk.reservation == Reservation(0, type_)
    assert disk.holders == {first.nexus, sender.nexus}
    assert attentions(first, sender, victim) == [None, None, sense.REGISTRATIONS_PREEMPTED]


@pytest.mark.parametrize("new_type", Type)
@pytest.mark.parametrize("type_", SHARED)
def test_the_reserving_hosts_key_replaces_an_all_registrants_reservation(preempt, type_, new_type):
    # SPC-4 removes registrations only; Linux's target does this, and the unit follows it.
    disk = Disk()
    first, sender, third = disk.registered_hosts(A, B, C)
    first.reserve(A, type_)

    assert preempt(sender, B, A, new_type) == GOOD
    assert disk.reservation.type == new_type
    assert disk.registrations == {sender.nexus: B, third.nexus: C}
    assert sender.nexus in disk.holders
    told = sense.RESERVATIONS_RELEASED if new_type != type_ else None
    assert attentions(first, sender, third) == [sense.REGISTRATIONS_PREEMPTED, None, told]


@pytest.mark.parametrize("type_", SHARED)
def test_a_registrant_that_preempts_its_own_key_keeps_its_share(preempt, type_):
    disk = Disk()
    first, sender, namesake = disk.registered_hosts(A, B, B)
    first.reserve(A, type_)

    assert preempt(sender, B, B, Type.EXCLUSIVE_ACCESS) == GOOD
    assert disk.reservation == Reservation(0, type_)
    assert disk.registrations == {first.nexus: A, sender.nexus: B}
    assert disk.generation == 4
    assert attentions(first, sender, namesake) == [None, None, sense.REGISTRATIONS_PREEMPTED]


# Refusals.


@pytest.mark.parametrize("type_", [None, *SINGLE_HOLDER])
def test_key_zero_is_invalid_without_an_all_registrants_reservation(preempt, type_):
    disk = Disk()
    first, second = disk.registered_hosts(A, B)
    if type_:
        first.reserve(A, type_)
    before = disk.everything

    answer = preempt(second, B, 0, Type.EXCLUSIVE_ACCESS)

    assert answer == refusal(sense.INVALID_FIELD_IN_PARAMETER_LIST)
    assert disk.everything == before


@pytest.mark.parametrize("type_", [None, *Type])
def test_a_key_that_nobody_registered_conflicts(preempt, type_):
    disk = Disk()
    first, second = disk.registered_hosts(A, B)
    if type_:
        first.reserve(A, type_)
    before = disk.everything

    assert preempt(second, B, NOT_HELD, Type.EXCLUSIVE_ACCESS) == RESERVATION_CONFLICT
    assert disk.everything == before


@pytest.mark.parametrize("type_", [None, *Type])
@pytest.mark.parametrize("victim", [0, A, B])
def test_a_wrong_key_of_the_sender_conflicts(preempt, type_, victim):
    disk = Disk()
    first, second = disk.registered_hosts(A, B)
    if type_:
        first.reserve(A, type_)
    before = disk.everything

    assert preempt(second, A, victim, Type.EXCLUSIVE_ACCESS) == RESERVATION_CONFLICT
    assert disk.everything == before


@pytest.mark.parametrize("type_", [None, *Type])
def test_an_unregistered_host_cannot_preempt(preempt, type_):
    disk = Disk()
    [first] = disk.registered_hosts(A)
    stranger = disk.host(9)
    if type_:
        first.reserve(A, type_)
    before = disk.everything

    assert preempt(stranger, 0, A, Type.EXCLUSIVE_ACCESS) == RESERVATION_CONFLICT
    assert disk.everything == before


@pytest.mark.parametrize("type_", INVALID_TYPES)
def test_an_unknown_type_is_an_invalid_field_in_the_cdb(preempt, type_):
    disk = Disk()
    sender, _ = disk.registered_hosts(A, B)
    before = disk.everything

    assert preempt(sender, A, B, type_) == refusal(sense.INVALID_FIELD_IN_CDB)
    assert disk.everything == before


@pytest.mark.parametrize("scope", range(1, 16))
def test_a_scope_but_the_logical_unit_is_refused(preempt, scope):
    disk = Disk()
    sender, _ = disk.registered_hosts(A, B)
    before = disk.everything

    answer = preempt(sender, A, B, Type.EXCLUSIVE_ACCESS, scope)

    assert answer == refusal(sense.INVALID_FIELD_IN_PARAMETER_LIST)
    assert disk.everything == before
