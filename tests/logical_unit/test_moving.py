"""REGISTER AND MOVE (SPC-4, 5.12.8)."""

import pytest

from qemu_pr.logical_unit import LogicalUnit, MemoryState
from qemu_pr.scsi import sense
from qemu_pr.scsi.commands import OutServiceAction as Out
from qemu_pr.scsi.commands import ReservationType as Type
from qemu_pr.scsi.parameter_data import Reservation
from qemu_pr.scsi.status import GOOD, RESERVATION_CONFLICT
from shared_disk import A, B, C, Disk, refusal

SHARED = [Type.WRITE_EXCLUSIVE_ALL_REGISTRANTS, Type.EXCLUSIVE_ACCESS_ALL_REGISTRANTS]
SINGLE_HOLDER = sorted(set(Type) - set(SHARED))


def reserved_disk(type_: int = Type.EXCLUSIVE_ACCESS, target_ports: tuple[int, ...] = (1,)):
    """A disk, the host that holds it, and a host that has nothing to do with it yet."""
    disk = Disk(target_ports)
    [holder] = disk.registered_hosts(A)
    holder.reserve(A, type_)
    return disk, holder, disk.host(2)


@pytest.mark.parametrize("type_", SINGLE_HOLDER)
def test_the_reservation_moves_with_its_type_and_the_new_holder_is_registered(type_):
    disk, holder, heir = reserved_disk(type_)

    assert holder.move(A, B, heir) == GOOD
    assert disk.reservation == Reservation(B, type_)
    assert disk.holders == {heir.nexus}
    assert disk.registrations == {holder.nexus: A, heir.nexus: B}
    assert disk.generation == 2
    assert (holder.attention(), heir.attention()) == (None, None)


def test_with_unreg_the_old_holder_is_unregistered():
    disk, holder, heir = reserved_disk()

    assert holder.move(A, B, heir, unreg=True) == GOOD
    assert disk.registrations == {heir.nexus: B}
    assert disk.holders == {heir.nexus}


def test_unregistering_the_old_holder_of_a_registrants_only_type_releases_nothing():
    disk, holder, heir = reserved_disk(Type.WRITE_EXCLUSIVE_REGISTRANTS_ONLY)
    third = disk.host(3)
    third.register(0, C)

    holder.move(A, B, heir, unreg=True)

    assert disk.reservation == Reservation(B, Type.WRITE_EXCLUSIVE_REGISTRANTS_ONLY)
    assert third.attention() is None


def test_a_registered_destination_gets_the_new_key():
    disk, holder, heir = reserved_disk()
    heir.register(0, C)

    assert holder.move(A, B, heir) == GOOD
    assert disk.registrations == {holder.nexus: A, heir.nexus: B}
    assert disk.reservation.key == B
    assert disk.generation == 3


def test_the_destination_is_the_nexus_through_the_target_port_that_was_named():
    disk, holder, _ = reserved_disk(target_ports=(1, 2))
    heir = disk.host(2, target_port=2)

    assert holder.move(A, B, heir) == GOOD
    assert disk.holders == {heir.nexus}


def test_the_new_holder_may_move_it_on():
    disk, holder, heir = reserved_disk()
    holder.move(A, B, heir)

    assert heir.move(B, C, disk.host(3)) == GOOD
    assert disk.holders == {disk.host(3).nexus}


def test_type_and_scope_in_the_cdb_are_ignored():
    disk, holder, heir = reserved_disk()

    assert holder.move(A, B, heir, type_=15, scope=15) == GOOD
    assert disk.reservation == Reservation(B, Type.EXCLUSIVE_ACCESS)


def test_a_zero_key_for_the_destination_is_refused():
    disk, holder, heir = reserved_disk()
    before = disk.everything

    assert holder.move(A, 0, heir) == refusal(sense.INVALID_FIELD_IN_PARAMETER_LIST)
    assert disk.everything == before


def test_an_unknown_target_port_is_refused():
    disk, holder, _ = reserved_disk(target_ports=(1, 2))
    before = disk.everything

    for port in (0, 3):
        answer = holder.move(A, B, disk.host(2, target_port=port))
        assert answer == refusal(sense.INVALID_FIELD_IN_PARAMETER_LIST)
    assert disk.everything == before


def test_a_unit_has_target_port_1_unless_it_is_told_others():
    unit = LogicalUnit(MemoryState())
    holder, heir = Disk().hosts(2)
    holder.unit = unit
    holder.register(0, A)
    holder.reserve(A, Type.EXCLUSIVE_ACCESS)

    assert holder.move(A, B, heir, relative_target_port_identifier=2).status != GOOD.status
    assert holder.move(A, B, heir, relative_target_port_identifier=1) == GOOD


@pytest.mark.parametrize("target_port", [1, 2])
def test_the_initiator_port_of_the_sender_is_refused(target_port):
    disk, holder, _ = reserved_disk(target_ports=(1, 2))
    before = disk.everything

    answer = holder.move(A, B, disk.host(1, target_port))

    assert answer == refusal(sense.INVALID_FIELD_IN_PARAMETER_LIST)
    assert disk.everything == before


def test_without_a_reservation_there_is_nothing_to_move():
    disk = Disk()
    [host] = disk.registered_hosts(A)
    before = disk.everything

    assert host.move(A, B, disk.host(2)) == refusal(sense.INVALID_FIELD_IN_CDB)
    assert disk.everything == before


@pytest.mark.parametrize("type_", SHARED)
def test_an_all_registrants_reservation_cannot_move(type_):
    disk, holder, heir = reserved_disk(type_)
    other = disk.host(3)
    other.register(0, C)
    before = disk.everything

    assert holder.move(A, B, heir) == RESERVATION_CONFLICT
    assert other.move(C, B, heir) == RESERVATION_CONFLICT
    assert disk.everything == before


@pytest.mark.parametrize("type_", SINGLE_HOLDER)
def test_only_the_holder_can_move(type_):
    disk, _, heir = reserved_disk(type_)
    registered, stranger = disk.host(3), disk.host(9)
    registered.register(0, C)
    before = disk.everything

    assert registered.move(C, B, heir) == RESERVATION_CONFLICT
    assert stranger.move(0, B, heir) == RESERVATION_CONFLICT
    assert disk.everything == before


def test_an_unregistered_host_conflicts_without_a_reservation_too():
    disk = Disk()

    assert disk.host(1).move(0, B, disk.host(2)) == RESERVATION_CONFLICT


@pytest.mark.parametrize("key", [0, B])
def test_a_wrong_key_conflicts(key):
    disk, holder, heir = reserved_disk()
    before = disk.everything

    assert holder.move(key, B, heir) == RESERVATION_CONFLICT
    assert disk.everything == before


@pytest.mark.parametrize(
    "tail",
    ["00000000", "00000018", "00000018" + "06" + "00" * 22, "00000030" + ("06" + "00" * 23) * 2],
    ids=["no TransportID", "TransportID missing", "TransportID cut", "two TransportIDs"],
)
def test_not_one_whole_transport_id_is_refused(tail):
    disk, holder, _ = reserved_disk()
    head = A.to_bytes(8, "big") + B.to_bytes(8, "big") + bytes((0, 0, 0, 1))
    before = disk.everything

    answer = holder.send(Out.REGISTER_AND_MOVE, head + bytes.fromhex(tail))

    assert answer == refusal(sense.INVALID_FIELD_IN_PARAMETER_LIST)
    assert disk.everything == before
