"""CLEAR (SPC-4, 5.12.11.2.7)."""

import pytest

from qemu_pr.scsi import sense
from qemu_pr.scsi.commands import ReservationType as Type
from qemu_pr.scsi.status import GOOD, RESERVATION_CONFLICT
from shared_disk import A, B, C, Disk


@pytest.mark.parametrize("by_the_holder", [True, False])
@pytest.mark.parametrize("type_", Type)
def test_any_registered_host_clears_everything_and_the_others_are_told(type_, by_the_holder):
    disk = Disk()
    holder, other, third = disk.registered_hosts(A, B, C)
    stranger = disk.host(9)
    holder.reserve(A, type_)
    sender, told, key = (holder, other, A) if by_the_holder else (other, holder, B)

    assert sender.clear(key) == GOOD
    assert disk.reservation is None
    assert disk.keys == ()
    assert disk.generation == 4
    assert told.attention() == sense.RESERVATIONS_PREEMPTED
    assert third.attention() == sense.RESERVATIONS_PREEMPTED
    assert (sender.attention(), stranger.attention()) == (None, None)


def test_registrations_are_cleared_without_a_reservation_too():
    disk = Disk()
    first, second = disk.registered_hosts(A, B)

    assert first.clear(A) == GOOD
    assert disk.keys == ()
    assert second.attention() == sense.RESERVATIONS_PREEMPTED


def test_a_cleared_host_may_register_again():
    disk = Disk()
    first, _ = disk.registered_hosts(A, B)
    first.clear(A)

    assert first.register(0, A) == GOOD


@pytest.mark.parametrize("key", [0, B])
def test_a_wrong_key_clears_nothing(key):
    disk = Disk()
    first, second = disk.registered_hosts(A, B)
    before = disk.everything

    assert first.clear(key) == RESERVATION_CONFLICT
    assert disk.everything == before
    assert second.attention() is None


@pytest.mark.parametrize("type_", [None, *Type])
def test_an_unregistered_host_clears_nothing(type_):
    disk = Disk()
    [holder] = disk.registered_hosts(A)
    stranger = disk.host(9)
    if type_:
        holder.reserve(A, type_)
    before = disk.everything

    assert stranger.clear(0) == RESERVATION_CONFLICT
    assert stranger.clear(A) == RESERVATION_CONFLICT
    assert disk.everything == before
    assert holder.attention() is None
