"""RESERVE (SPC-4, 5.12.9) and who holds a reservation (5.12.10)."""

from itertools import permutations

import pytest

from qemu_pr.logical_unit.rules import ALL_REGISTRANTS
from qemu_pr.scsi import sense
from qemu_pr.scsi.commands import ReservationType as Type
from qemu_pr.scsi.parameter_data import Reservation
from qemu_pr.scsi.status import GOOD, RESERVATION_CONFLICT
from shared_disk import A, B, C, Disk, refusal

SINGLE_HOLDER = sorted(set(Type) - ALL_REGISTRANTS)
INVALID_TYPES = sorted(set(range(16)) - set(Type))


@pytest.mark.parametrize("type_", SINGLE_HOLDER)
def test_a_registered_host_reserves_and_is_the_one_holder(type_):
    disk = Disk()
    first, _ = disk.registered_hosts(A, B)

    assert first.reserve(A, type_) == GOOD
    assert disk.reservation == Reservation(A, type_)
    assert disk.holders == {first.nexus}


@pytest.mark.parametrize("type_", sorted(ALL_REGISTRANTS))
def test_with_an_all_registrants_type_every_registered_host_holds_under_key_zero(type_):
    disk = Disk()
    first, second = disk.registered_hosts(A, B)

    assert first.reserve(A, type_) == GOOD
    assert disk.reservation == Reservation(0, type_)
    assert disk.holders == {first.nexus, second.nexus}


@pytest.mark.parametrize("type_", sorted(ALL_REGISTRANTS))
def test_who_registers_while_all_registrants_hold_is_a_holder_too(type_):
    disk = Disk()
    [first] = disk.registered_hosts(A)
    first.reserve(A, type_)
    late = disk.host(9)

    late.register(0, C)

    assert disk.holders == {first.nexus, late.nexus}


@pytest.mark.parametrize("type_", Type)
def test_an_unregistered_host_cannot_reserve(type_):
    disk = Disk()
    [stranger] = disk.hosts(1)

    assert stranger.reserve(0, type_) == RESERVATION_CONFLICT
    assert disk.reservation is None


@pytest.mark.parametrize("type_", Type)
@pytest.mark.parametrize("key", [0, B])
def test_a_wrong_key_cannot_reserve(type_, key):
    disk = Disk()
    first, _ = disk.registered_hosts(A, B)

    assert first.reserve(key, type_) == RESERVATION_CONFLICT
    assert disk.reservation is None


@pytest.mark.parametrize("type_", INVALID_TYPES)
def test_an_unknown_type_is_an_invalid_field_in_the_cdb(type_):
    disk = Disk()
    [host] = disk.registered_hosts(A)

    assert host.reserve(A, type_) == refusal(sense.INVALID_FIELD_IN_CDB)
    assert disk.reservation is None


@pytest.mark.parametrize("scope", range(1, 16))
def test_a_scope_but_the_logical_unit_is_refused(scope):
    disk = Disk()
    [host] = disk.registered_hosts(A)

    answer = host.reserve(A, Type.EXCLUSIVE_ACCESS, scope)

    assert answer == refusal(sense.INVALID_FIELD_IN_PARAMETER_LIST)
    assert disk.reservation is None


@pytest.mark.parametrize("type_", Type)
def test_the_holder_may_repeat_its_reserve(type_):
    disk = Disk()
    [holder] = disk.registered_hosts(A)
    holder.reserve(A, type_)
    before = disk.everything

    assert holder.reserve(A, type_) == GOOD
    assert disk.everything == before


@pytest.mark.parametrize("type_", sorted(ALL_REGISTRANTS))
def test_every_registrant_of_an_all_registrants_reservation_may_repeat_the_reserve(type_):
    disk = Disk()
    first, second = disk.registered_hosts(A, B)
    first.reserve(A, type_)
    before = disk.everything

    assert second.reserve(B, type_) == GOOD
    assert disk.everything == before


@pytest.mark.parametrize(("type_", "other"), list(permutations(Type, 2)))
def test_a_holder_cannot_change_the_type(type_, other):
    disk = Disk()
    first, second = disk.registered_hosts(A, B)
    first.reserve(A, type_)
    before = disk.everything

    assert first.reserve(A, other) == RESERVATION_CONFLICT
    assert second.reserve(B, other) == RESERVATION_CONFLICT
    assert disk.everything == before


@pytest.mark.parametrize("other", Type)
@pytest.mark.parametrize("type_", SINGLE_HOLDER)
def test_nobody_else_can_reserve_what_is_reserved(type_, other):
    disk = Disk()
    holder, registered = disk.registered_hosts(A, B)
    stranger = disk.host(9)
    holder.reserve(A, type_)
    before = disk.everything

    assert registered.reserve(B, other) == RESERVATION_CONFLICT
    assert stranger.reserve(0, other) == RESERVATION_CONFLICT
    assert disk.everything == before


# Whom the reservation shuts out meets it before anybody looks at what else is wrong.
FIRST_ERROR = [
    (Type.WRITE_EXCLUSIVE, RESERVATION_CONFLICT),
    (Type.EXCLUSIVE_ACCESS, RESERVATION_CONFLICT),
    (Type.WRITE_EXCLUSIVE_REGISTRANTS_ONLY, refusal(sense.INVALID_FIELD_IN_CDB)),
    (Type.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY, refusal(sense.INVALID_FIELD_IN_CDB)),
    (Type.WRITE_EXCLUSIVE_ALL_REGISTRANTS, refusal(sense.INVALID_FIELD_IN_CDB)),
    (Type.EXCLUSIVE_ACCESS_ALL_REGISTRANTS, refusal(sense.INVALID_FIELD_IN_CDB)),
]


@pytest.mark.parametrize(("type_", "answer"), FIRST_ERROR)
def test_an_unknown_type_from_another_registrant_is_seen_if_the_reservation_is_shared(
    type_, answer
):
    disk = Disk()
    holder, registered = disk.registered_hosts(A, B)
    stranger = disk.host(9)
    holder.reserve(A, type_)

    assert registered.reserve(B, 0) == answer
    assert stranger.reserve(0, 0) == RESERVATION_CONFLICT
    assert holder.reserve(A, 0) == refusal(sense.INVALID_FIELD_IN_CDB)


def test_reserving_is_neither_counted_nor_told():
    disk = Disk()
    first, second = disk.registered_hosts(A, B)

    first.reserve(A, Type.EXCLUSIVE_ACCESS)

    assert disk.generation == 2
    assert second.attention() is None
