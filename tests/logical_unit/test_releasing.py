"""RELEASE, and release by unregistering (SPC-4, 5.12.11.2.2 and 5.12.11.2.3)."""

import pytest

from qemu_pr.scsi import sense
from qemu_pr.scsi.commands import OutServiceAction as Out
from qemu_pr.scsi.commands import ReservationType as Type
from qemu_pr.scsi.parameter_data import Reservation
from qemu_pr.scsi.status import GOOD, RESERVATION_CONFLICT
from shared_disk import A, B, C, Disk

# What the other registered hosts are told when the holder releases, and when it unregisters.
TOLD_ON_RELEASE = [
    (Type.WRITE_EXCLUSIVE, None),
    (Type.EXCLUSIVE_ACCESS, None),
    (Type.WRITE_EXCLUSIVE_REGISTRANTS_ONLY, sense.RESERVATIONS_RELEASED),
    (Type.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY, sense.RESERVATIONS_RELEASED),
    (Type.WRITE_EXCLUSIVE_ALL_REGISTRANTS, sense.RESERVATIONS_RELEASED),
    (Type.EXCLUSIVE_ACCESS_ALL_REGISTRANTS, sense.RESERVATIONS_RELEASED),
]
TOLD_ON_UNREGISTER = [
    (Type.WRITE_EXCLUSIVE, None),
    (Type.EXCLUSIVE_ACCESS, None),
    (Type.WRITE_EXCLUSIVE_REGISTRANTS_ONLY, sense.RESERVATIONS_RELEASED),
    (Type.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY, sense.RESERVATIONS_RELEASED),
]
SINGLE_HOLDER = [type_ for type_, _ in TOLD_ON_UNREGISTER]
SHARED = [Type.WRITE_EXCLUSIVE_ALL_REGISTRANTS, Type.EXCLUSIVE_ACCESS_ALL_REGISTRANTS]
UNREGISTER = [Out.REGISTER, Out.REGISTER_AND_IGNORE_EXISTING_KEY]


@pytest.mark.parametrize(("type_", "told"), TOLD_ON_RELEASE)
def test_the_holder_releases_and_the_other_registrants_are_told_by_type(type_, told):
    disk = Disk()
    holder, second, third = disk.registered_hosts(A, B, C)
    stranger = disk.host(9)
    holder.reserve(A, type_)

    assert holder.release(A, type_) == GOOD
    assert disk.reservation is None
    assert disk.keys == (A, B, C)
    assert disk.generation == 3
    assert (second.attention(), third.attention()) == (told, told)
    assert (holder.attention(), stranger.attention()) == (None, None)


@pytest.mark.parametrize("type_", SHARED)
def test_any_registrant_may_release_an_all_registrants_reservation(type_):
    disk = Disk()
    first, second = disk.registered_hosts(A, B)
    first.reserve(A, type_)

    assert second.release(B, type_) == GOOD
    assert disk.reservation is None
    assert first.attention() == sense.RESERVATIONS_RELEASED
    assert second.attention() is None


@pytest.mark.parametrize("type_", Type)
@pytest.mark.parametrize("other", range(16))
def test_the_type_must_be_that_of_the_reservation(type_, other):
    disk = Disk()
    holder, _ = disk.registered_hosts(A, B)
    holder.reserve(A, type_)
    before = disk.everything

    answer = holder.release(A, other)

    assert answer == (GOOD if other == type_ else RESERVATION_CONFLICT)
    assert (disk.everything == before) == (other != type_)


@pytest.mark.parametrize("type_", Type)
def test_the_scope_must_be_that_of_the_reservation(type_):
    disk = Disk()
    [holder] = disk.registered_hosts(A)
    holder.reserve(A, type_)

    assert holder.release(A, type_, scope=1) == RESERVATION_CONFLICT
    assert disk.reservation is not None


@pytest.mark.parametrize("type_", Type)
def test_the_holder_needs_its_key(type_):
    disk = Disk()
    holder, _ = disk.registered_hosts(A, B)
    holder.reserve(A, type_)

    assert holder.release(B, type_) == RESERVATION_CONFLICT
    assert disk.reservation is not None


@pytest.mark.parametrize("type_", SINGLE_HOLDER)
# SPC-4 checks the key of this RELEASE, too; Linux's target does not, and the unit follows it.
@pytest.mark.parametrize("key", [B, 0xBAD])
def test_a_release_of_what_another_host_holds_does_nothing(type_, key):
    disk = Disk()
    holder, other = disk.registered_hosts(A, B)
    holder.reserve(A, type_)
    before = disk.everything

    assert other.release(key, type_) == GOOD
    assert disk.everything == before
    assert holder.attention() is None


def test_a_release_without_a_reservation_does_nothing():
    disk = Disk()
    first, second = disk.registered_hosts(A, B)
    before = disk.everything

    assert first.release(A, Type.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY) == GOOD
    assert disk.everything == before
    assert second.attention() is None


@pytest.mark.parametrize("type_", Type)
def test_an_unregistered_host_cannot_release(type_):
    disk = Disk()
    holder, stranger = disk.hosts(2)

    assert stranger.release(0, type_) == RESERVATION_CONFLICT

    holder.register(0, A)
    holder.reserve(A, type_)

    assert stranger.release(A, type_) == RESERVATION_CONFLICT
    assert disk.reservation is not None


# Unregistering.


@pytest.mark.parametrize("action", UNREGISTER)
@pytest.mark.parametrize(("type_", "told"), TOLD_ON_UNREGISTER)
def test_a_holder_that_unregisters_releases_and_the_registrants_are_told_by_type(
    action, type_, told
):
    disk = Disk()
    holder, second, third = disk.registered_hosts(A, B, C)
    stranger = disk.host(9)
    holder.reserve(A, type_)

    assert holder.out(action, A, 0) == GOOD
    assert disk.reservation is None
    assert disk.keys == (B, C)
    assert (second.attention(), third.attention()) == (told, told)
    assert (holder.attention(), stranger.attention()) == (None, None)


@pytest.mark.parametrize("action", UNREGISTER)
@pytest.mark.parametrize("type_", SHARED)
def test_an_all_registrants_reservation_stays_until_the_last_one_leaves(action, type_):
    disk = Disk()
    first, second, third = disk.registered_hosts(A, B, C)
    first.reserve(A, type_)

    assert first.out(action, A, 0) == GOOD
    assert disk.reservation == Reservation(0, type_)
    assert disk.holders == {second.nexus, third.nexus}
    assert third.out(action, C, 0) == GOOD
    assert disk.holders == {second.nexus}
    assert second.attention() is None
    assert second.out(action, B, 0) == GOOD
    assert disk.reservation is None


@pytest.mark.parametrize("type_", SHARED)
def test_who_stands_in_for_all_registrants_may_do_what_the_reserving_host_could(type_):
    disk = Disk()
    first, second, _ = disk.registered_hosts(A, B, C)
    first.reserve(A, type_)
    first.register(A, 0)

    assert second.reserve(B, type_) == GOOD
    assert second.release(B, type_) == GOOD
    assert disk.reservation is None


@pytest.mark.parametrize("action", UNREGISTER)
@pytest.mark.parametrize("type_", Type)
def test_a_registrant_that_is_not_the_reserving_host_leaves_the_reservation_alone(action, type_):
    disk = Disk()
    holder, other, third = disk.registered_hosts(A, B, C)
    holder.reserve(A, type_)
    reservation = disk.reservation

    assert other.out(action, B, 0) == GOOD
    assert disk.reservation == reservation
    assert disk.keys == (A, C)
    assert [host.attention() for host in (holder, other, third)] == [None, None, None]
