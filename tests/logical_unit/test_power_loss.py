"""APTPL: what a logical unit still knows after a power loss (SPC-4, 5.12.5)."""

import pytest

from qemu_pr.scsi import sense
from qemu_pr.scsi.commands import OutServiceAction as Out
from qemu_pr.scsi.commands import ReservationType as Type
from qemu_pr.scsi.parameter_data import Reservation
from shared_disk import A, B, Disk


@pytest.mark.parametrize("type_", Type)
def test_without_aptpl_nothing_persists(type_):
    disk = Disk()
    first, _ = disk.registered_hosts(A, B)
    first.reserve(A, type_)

    disk.unit.power_cycle()

    assert disk.keys == ()
    assert disk.reservation is None
    assert not disk.capabilities.ptpl_a


@pytest.mark.parametrize("type_", Type)
def test_with_aptpl_registrations_and_reservation_persist(type_):
    disk = Disk()
    first, second = disk.registered_hosts(A, B)
    first.register(A, A, aptpl=True)
    first.reserve(A, type_)
    registrations, reservation, holders = disk.registrations, disk.reservation, disk.holders

    disk.unit.power_cycle()

    assert disk.registrations == registrations == {first.nexus: A, second.nexus: B}
    assert (disk.reservation, disk.holders) == (reservation, holders)
    assert disk.capabilities.ptpl_a


@pytest.mark.parametrize("aptpl", [True, False])
def test_prgeneration_begins_at_zero(aptpl):
    disk = Disk()
    first, _ = disk.registered_hosts(A, B)
    first.register(A, A, aptpl=aptpl)

    disk.unit.power_cycle()

    assert disk.generation == 0


@pytest.mark.parametrize("aptpl", [True, False])
def test_every_host_that_was_registered_learns_of_the_power_on(aptpl):
    disk = Disk()
    hosts = disk.registered_hosts(A, B)
    hosts[0].register(A, A, aptpl=aptpl)

    disk.unit.power_cycle()

    assert [host.attention() for host in hosts] == [sense.POWER_ON_RESET_OR_BUS_DEVICE_RESET] * 2
    assert [host.attention() for host in hosts] == [None, None]


def test_the_power_on_replaces_what_was_pending_for_a_registered_host():
    disk = Disk()
    first, second = disk.registered_hosts(A, B)
    first.reserve(A, Type.WRITE_EXCLUSIVE_REGISTRANTS_ONLY)
    first.release(A, Type.WRITE_EXCLUSIVE_REGISTRANTS_ONLY)

    disk.unit.power_cycle()

    assert second.attention() == sense.POWER_ON_RESET_OR_BUS_DEVICE_RESET
    assert second.attention() is None


def test_the_power_on_replaces_what_was_pending_for_a_host_that_was_preempted():
    disk = Disk()
    first, second = disk.registered_hosts(A, B)
    first.preempt(A, B, Type.EXCLUSIVE_ACCESS)

    disk.unit.power_cycle()

    assert second.attention() != sense.REGISTRATIONS_PREEMPTED


# Which command activates it, and which deactivates it.


@pytest.mark.parametrize("action", [Out.REGISTER, Out.REGISTER_AND_IGNORE_EXISTING_KEY])
def test_the_last_registration_decides(action):
    disk = Disk()
    first, second = disk.hosts(2)

    first.out(action, 0, A, aptpl=True)
    assert disk.capabilities.ptpl_a
    second.out(action, 0, B)
    assert not disk.capabilities.ptpl_a
    first.out(action, A, 0, aptpl=True)
    assert disk.capabilities.ptpl_a


def test_register_and_move_decides_too():
    disk = Disk()
    first, second = disk.hosts(2)
    first.register(0, A)
    first.reserve(A, Type.EXCLUSIVE_ACCESS)

    first.move(A, B, second, aptpl=True)
    assert disk.capabilities.ptpl_a
    second.move(B, A, first)
    assert not disk.capabilities.ptpl_a


def test_a_registration_that_does_nothing_decides_nothing():
    disk = Disk()
    first, second = disk.hosts(2)
    first.register(0, A)

    second.register(0, 0, aptpl=True)
    second.register(B, B, aptpl=True)

    assert not disk.capabilities.ptpl_a


@pytest.mark.parametrize("action", [Out.RESERVE, Out.RELEASE, Out.PREEMPT])
def test_no_other_service_action_looks_at_the_flag(action):
    disk = Disk()
    first, _ = disk.registered_hosts(A, B)
    first.reserve(A, Type.EXCLUSIVE_ACCESS)

    first.out(action, A, B, Type.EXCLUSIVE_ACCESS, aptpl=True)

    assert not disk.capabilities.ptpl_a


def test_clear_deactivates_it():
    disk = Disk()
    [host] = disk.hosts(1)
    host.register(0, A, aptpl=True)

    host.clear(A)

    assert not disk.capabilities.ptpl_a


def test_a_reservation_that_persisted_can_be_released():
    disk = Disk()
    [host] = disk.hosts(1)
    host.register(0, A, aptpl=True)
    host.reserve(A, Type.EXCLUSIVE_ACCESS)
    disk.unit.power_cycle()
    host.attention()

    assert disk.reservation == Reservation(A, Type.EXCLUSIVE_ACCESS)
    host.release(A, Type.EXCLUSIVE_ACCESS)
    assert disk.reservation is None
