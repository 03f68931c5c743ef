"""Who may read and write the medium, by type and standing (SPC-4, table 66)."""

import pytest

from qemu_pr.logical_unit.rules import Access
from qemu_pr.scsi.commands import ReservationType as Type
from shared_disk import A, B, Disk

ALL = Access(read=True, write=True)
READ = Access(read=True, write=False)
NONE = Access(read=False, write=False)

ACCESS = [
    # type, the reserving host, another registered host, an unregistered host
    (Type.WRITE_EXCLUSIVE, ALL, READ, READ),
    (Type.EXCLUSIVE_ACCESS, ALL, NONE, NONE),
    (Type.WRITE_EXCLUSIVE_REGISTRANTS_ONLY, ALL, ALL, READ),
    (Type.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY, ALL, ALL, NONE),
    (Type.WRITE_EXCLUSIVE_ALL_REGISTRANTS, ALL, ALL, READ),
    (Type.EXCLUSIVE_ACCESS_ALL_REGISTRANTS, ALL, ALL, NONE),
]


@pytest.mark.parametrize(("type_", "holder_may", "registered_may", "stranger_may"), ACCESS)
def test_access_is_that_of_the_table(type_, holder_may, registered_may, stranger_may):
    disk = Disk()
    holder, registered = disk.registered_hosts(A, B)
    stranger = disk.host(9)
    holder.reserve(A, type_)

    assert disk.unit.access(holder.nexus) == holder_may
    assert disk.unit.access(registered.nexus) == registered_may
    assert disk.unit.access(stranger.nexus) == stranger_may


def test_without_a_reservation_everybody_may_do_everything():
    disk = Disk()
    [registered] = disk.registered_hosts(A)

    assert disk.unit.access(registered.nexus) == ALL
    assert disk.unit.access(disk.host(9).nexus) == ALL


@pytest.mark.parametrize(("type_", "holder_may", "registered_may", "stranger_may"), ACCESS)
def test_a_preempted_holder_may_do_what_a_stranger_may(
    type_, holder_may, registered_may, stranger_may
):
    disk = Disk()
    holder, sender = disk.registered_hosts(A, B)
    holder.reserve(A, type_)

    sender.preempt(B, A, type_)

    assert disk.unit.access(sender.nexus) == holder_may
    assert disk.unit.access(holder.nexus) == stranger_may


def test_another_target_port_of_the_holder_is_another_nexus():
    disk = Disk(target_ports=(1, 2))
    [holder] = disk.registered_hosts(A)
    holder.reserve(A, Type.EXCLUSIVE_ACCESS)

    assert disk.unit.access(disk.host(1, target_port=2).nexus) == NONE
