"""What a LOGICAL UNIT RESET does to reservations, and what a medium command meets."""

import pytest

from qemu_pr.logical_unit import Nexus
from qemu_pr.scsi import sense
from qemu_pr.scsi.commands import ReservationType as Type
from qemu_pr.scsi.status import GOOD, RESERVATION_CONFLICT, Completion
from qemu_pr.scsi.transport_ids import SASTransportID
from shared_disk import A, B, Disk


@pytest.mark.parametrize("aptpl", [True, False])
@pytest.mark.parametrize("type_", Type)
def test_registrations_and_reservation_outlive_a_reset(type_, aptpl):
    disk = Disk()
    first, _ = disk.registered_hosts(A, B)
    first.register(A, A, aptpl=aptpl)
    first.reserve(A, type_)
    before = disk.registrations, disk.reservation, disk.generation

    disk.unit.reset()

    assert (disk.registrations, disk.reservation, disk.generation) == before


def test_whoever_is_known_learns_of_a_reset_instead_of_anything_else():
    disk = Disk()
    first, second = disk.registered_hosts(A, B)
    stranger = Nexus(SASTransportID(99))
    first.preempt(A, B, Type.WRITE_EXCLUSIVE)

    disk.unit.reset(stranger)

    told = Completion.check_condition(sense.BUS_DEVICE_RESET_FUNCTION_OCCURRED)
    for nexus in (first.nexus, second.nexus, stranger):
        assert disk.unit.medium(nexus, write=False) == told
        assert disk.unit.medium(nexus, write=False) == GOOD


def test_a_medium_command_ends_as_the_nexus_may_do():
    disk = Disk()
    holder, registered = disk.registered_hosts(A, B)
    holder.reserve(A, Type.WRITE_EXCLUSIVE)

    assert disk.unit.medium(holder.nexus, write=True) == GOOD
    assert disk.unit.medium(registered.nexus, write=False) == GOOD
    assert disk.unit.medium(registered.nexus, write=True) == RESERVATION_CONFLICT
