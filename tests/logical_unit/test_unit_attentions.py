"""Unit attention conditions: how they are reported (SAM-5, 5.14)."""

import pytest

from qemu_pr.scsi import sense
from qemu_pr.scsi.commands import InServiceAction as In
from qemu_pr.scsi.commands import OutServiceAction as Out
from qemu_pr.scsi.commands import ReservationType as Type
from qemu_pr.scsi.status import GOOD
from shared_disk import A, B, C, Disk, Host, refusal

PREEMPTED = refusal(sense.REGISTRATIONS_PREEMPTED)


def preempted_host(disk: Disk) -> Host:
    """A host for which REGISTRATIONS PREEMPTED is pending."""
    sender, victim = disk.registered_hosts(A, B)
    assert sender.preempt(A, B, Type.EXCLUSIVE_ACCESS) == GOOD
    return victim


def test_a_unit_attention_is_reported_once():
    host = preempted_host(Disk())

    assert host.read(In.READ_KEYS) == PREEMPTED
    assert host.read(In.READ_KEYS).status == GOOD.status


@pytest.mark.parametrize("action", range(32))
def test_every_service_action_of_persistent_reserve_out_reports_it(action):
    assert preempted_host(Disk()).out(action) == PREEMPTED


@pytest.mark.parametrize("action", range(32))
def test_every_service_action_of_persistent_reserve_in_reports_it(action):
    assert preempted_host(Disk()).read(action) == PREEMPTED


def test_a_malformed_parameter_list_does_not_hide_it():
    assert preempted_host(Disk()).send(Out.REGISTER, b"") == PREEMPTED


def test_the_command_that_reports_it_is_not_carried_out():
    disk = Disk()
    host = preempted_host(disk)
    before = disk.everything

    assert host.register(0, B) == PREEMPTED
    assert disk.everything == before
    assert host.register(0, B) == GOOD


def test_no_other_host_reports_or_clears_it():
    disk = Disk()
    host = preempted_host(disk)

    assert disk.host(1).read(In.READ_KEYS).status == GOOD.status
    assert disk.host(9).read(In.READ_KEYS).status == GOOD.status
    assert host.attention() == sense.REGISTRATIONS_PREEMPTED


def test_it_belongs_to_the_nexus_and_not_to_the_initiator():
    disk = Disk(target_ports=(1, 2))
    sender, victim = disk.registered_hosts(A, B)
    victim_through_port_2 = disk.host(2, target_port=2)
    victim_through_port_2.register(0, C)
    sender.preempt(A, B, Type.EXCLUSIVE_ACCESS)

    assert victim_through_port_2.attention() is None
    assert victim.attention() == sense.REGISTRATIONS_PREEMPTED


def test_of_several_the_first_is_reported_and_all_are_cleared():
    disk = Disk()
    first, second = disk.registered_hosts(A, B)
    first.reserve(A, Type.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY)

    first.release(A, Type.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY)
    first.preempt(A, B, Type.EXCLUSIVE_ACCESS)

    assert second.attention() == sense.RESERVATIONS_RELEASED
    assert second.attention() is None


def test_a_new_one_may_follow_one_that_was_reported():
    disk = Disk()
    first, second = disk.registered_hosts(A, B)
    first.reserve(A, Type.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY)

    first.release(A, Type.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY)
    assert second.attention() == sense.RESERVATIONS_RELEASED
    first.clear(A)

    assert second.attention() == sense.RESERVATIONS_PREEMPTED


def test_it_outlives_being_registered_anew_by_another_host():
    disk = Disk()
    victim = preempted_host(disk)

    disk.host(3).register(0, C, initiator_ports=(victim.port,))

    assert victim.attention() == sense.REGISTRATIONS_PREEMPTED
