"""What `query` makes of the answers of simulated disks, and of such as have less to say."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qemu_pr.cli.status.text import render
from qemu_pr.logical_unit import LogicalUnit, MemoryState, Nexus
from qemu_pr.logical_unit.rules import ALL_REGISTRANTS
from qemu_pr.reservation_status import (
    ATTEMPTS,
    UNIT_ATTENTIONS_MAX,
    CommandError,
    KnownAccess,
    ReservationStatus,
    query,
)
from qemu_pr.scsi import sense
from qemu_pr.scsi.commands import InServiceAction as In
from qemu_pr.scsi.commands import ReservationType as Type
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.parameter_data import ReadReservation, Reservation
from qemu_pr.scsi.sense import INVALID_FIELD_IN_CDB, INVALID_OPERATION_CODE, Sense
from qemu_pr.scsi.status import RESERVATION_CONFLICT, Completion, Status
from qemu_pr.scsi.transport_ids import ISCSITransportID
from shared_disk import OBSERVER, A, B, C, Disk, Host

ALL = KnownAccess(read=True, write=True)
NO_FD = -1


@dataclass
class Path:
    """A host's way to a simulated disk, on which some answers are replaced."""

    host: Host
    answers: dict[int, Completion] = field(default_factory=dict)
    before: Callable[[int], object] | None = None
    sent: list[int] = field(default_factory=list)

    def execute(self, _: int, cdb: bytes, data_out: bytes) -> Completion:
        action = cdb[1] & 0x1F
        self.sent.append(action)
        if self.before is not None:
            self.before(action)
        return self.answers.get(action) or self.host.unit.execute(self.host.nexus, cdb, data_out)


def observe(disk: Disk, **more: object) -> ReservationStatus:
    return query(Path(Host(disk.unit, OBSERVER), **more), NO_FD)


def lacking(*actions: int, why: Sense = INVALID_FIELD_IN_CDB) -> dict[int, Completion]:
    return dict.fromkeys(actions, Completion.check_condition(why))


def test_a_fresh_disk_is_everyones() -> None:
    status = observe(Disk())

    assert status.reservation is None
    assert status.registrants == ()
    assert status.registered == 0
    assert status.generation == 0
    assert status.others == ALL
    assert status.complete
    assert status.consistent


def test_registering_alone_keeps_nobody_out() -> None:
    disk = Disk()
    hosts = disk.registered_hosts(A, B)

    status = observe(disk)

    assert [one.key for one in status.registrants] == [A, B]
    assert [one.full_status.transport_id for one in status.registrants] == [
        host.port for host in hosts
    ]
    assert {one.holder for one in status.registrants} == {False}
    assert {one.access for one in status.registrants} == {ALL}
    assert status.others == ALL


@pytest.mark.parametrize("type_", Type)
def test_who_may_read_and_write_is_what_the_logical_unit_lets_them(type_: Type) -> None:
    disk = Disk()
    a, b = disk.registered_hosts(A, B)
    a.reserve(A, type_)

    status = observe(disk)

    assert [vars(one.access) for one in status.registrants] == [
        vars(disk.unit.access(a.nexus)),
        vars(disk.unit.access(b.nexus)),
    ]
    assert vars(status.others) == vars(disk.unit.access(OBSERVER))


@pytest.mark.parametrize("type_", Type)
def test_holder_and_reservation_are_told(type_: Type) -> None:
    disk = Disk()
    a, _ = disk.registered_hosts(A, B)
    a.reserve(A, type_)

    status = observe(disk)

    shared = type_ in ALL_REGISTRANTS
    assert status.reservation == Reservation(0 if shared else A, type_)
    assert [one.holder for one in status.registrants] == [True, shared]


def test_every_registrant_holds_although_a_disk_marks_one_of_an_all_registrants_type() -> None:
    disk = Disk()
    a, _ = disk.registered_hosts(A, B)
    a.reserve(A, Type.WRITE_EXCLUSIVE)
    data = ReadReservation(2, Reservation(0, Type.WRITE_EXCLUSIVE_ALL_REGISTRANTS)).encode()

    status = observe(disk, answers={In.READ_RESERVATION: Completion(Status.GOOD, data=data)})

    assert [one.holder for one in status.registrants] == [True, True]
    assert {one.access for one in status.registrants} == {ALL}


def test_what_a_type_of_no_standard_allows_is_not_known() -> None:
    disk = Disk()
    a, _ = disk.registered_hosts(A, B)
    a.reserve(A, Type.WRITE_EXCLUSIVE)
    data = ReadReservation(2, Reservation(A, 4)).encode()

    status = observe(disk, answers={In.READ_RESERVATION: Completion(Status.GOOD, data=data)})

    assert status.others == KnownAccess(None, None)
    assert {one.access for one in status.registrants} == {KnownAccess(None, None)}


class TestUnitAttentions:
    def test_are_told_and_the_command_is_sent_again(self) -> None:
        disk = Disk()
        a, b = disk.registered_hosts(A, B)
        b.preempt(B, A, Type.WRITE_EXCLUSIVE)

        status = query(Path(a), NO_FD)

        assert status.unit_attentions == (sense.REGISTRATIONS_PREEMPTED,)
        assert [one.key for one in status.registrants] == [B]

    def test_between_two_commands_are_told_as_well(self) -> None:
        disk = Disk()
        a, b = disk.registered_hosts(A, B)
        path = Path(a)
        path.before = lambda action: (
            b.preempt(B, A, Type.WRITE_EXCLUSIVE) if action == In.REPORT_CAPABILITIES else None
        )

        status = query(path, NO_FD)

        assert status.unit_attentions == (sense.REGISTRATIONS_PREEMPTED,)

    def test_without_end_are_a_failure(self) -> None:
        again = lacking(In.READ_FULL_STATUS, why=sense.POWER_ON_RESET_OR_BUS_DEVICE_RESET)
        path = Path(Disk().host(1), answers=again)

        with pytest.raises(CommandError) as caught:
            query(path, NO_FD)

        assert caught.value.sense == sense.POWER_ON_RESET_OR_BUS_DEVICE_RESET
        assert len(path.sent) == UNIT_ATTENTIONS_MAX + 1


class TestWithoutReadFullStatus:
    @pytest.mark.parametrize("why", [INVALID_FIELD_IN_CDB, INVALID_OPERATION_CODE])
    def test_keys_are_all_that_is_known_of_hosts(self, why: Sense) -> None:
        disk = Disk()
        a, _ = disk.registered_hosts(A, B)
        a.reserve(A, Type.WRITE_EXCLUSIVE)

        status = observe(disk, answers=lacking(In.READ_FULL_STATUS, why=why))

        assert isinstance(status.full_status_error, CommandError)
        assert status.full_status_error.sense == why
        assert [(one.key, one.full_status) for one in status.registrants] == [(A, None), (B, None)]
        assert status.complete
        assert status.consistent

    def test_a_key_of_its_own_tells_the_holder(self) -> None:
        disk = Disk()
        a, _ = disk.registered_hosts(A, B)
        a.reserve(A, Type.WRITE_EXCLUSIVE)

        status = observe(disk, answers=lacking(In.READ_FULL_STATUS))

        assert [(one.holder, one.access) for one in status.registrants] == [
            (True, ALL),
            (False, KnownAccess(read=True, write=False)),
        ]

    def test_a_shared_key_leaves_open_who_holds_and_writes(self) -> None:
        disk = Disk()
        a, _, _ = disk.registered_hosts(A, A, B)
        a.reserve(A, Type.WRITE_EXCLUSIVE)

        status = observe(disk, answers=lacking(In.READ_FULL_STATUS))

        maybe = (None, KnownAccess(read=True, write=None))
        assert [(one.holder, one.access) for one in status.registrants] == [
            maybe,
            maybe,
            (False, KnownAccess(read=True, write=False)),
        ]

    def test_a_shared_key_does_not_hide_what_holder_and_registrants_have_in_common(self) -> None:
        disk = Disk()
        a, _ = disk.registered_hosts(A, A)
        a.reserve(A, Type.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY)

        status = observe(disk, answers=lacking(In.READ_FULL_STATUS))

        assert {(one.holder, one.access) for one in status.registrants} == {(None, ALL)}

    @pytest.mark.parametrize("type_", sorted(ALL_REGISTRANTS))
    def test_every_key_holds_a_reservation_of_all_registrants(self, type_: Type) -> None:
        disk = Disk()
        a, _ = disk.registered_hosts(A, B)
        a.reserve(A, type_)

        status = observe(disk, answers=lacking(In.READ_FULL_STATUS))

        assert {(one.holder, one.access) for one in status.registrants} == {(True, ALL)}

    def test_nobody_holds_where_nothing_is_reserved(self) -> None:
        disk = Disk()
        disk.registered_hosts(A)

        status = observe(disk, answers=lacking(In.READ_FULL_STATUS))

        assert [(one.holder, one.access) for one in status.registrants] == [(False, ALL)]


def test_full_status_that_makes_no_sense_does_not_hide_the_rest() -> None:
    disk = Disk()
    a, _ = disk.registered_hosts(A, B)
    a.reserve(A, Type.EXCLUSIVE_ACCESS)
    nonsense = Completion(Status.GOOD, data=b"\0\0")

    status = observe(disk, answers={In.READ_FULL_STATUS: nonsense})

    assert isinstance(status.full_status_error, MalformedError)
    assert [one.key for one in status.registrants] == [A, B]
    assert status.reservation == Reservation(A, Type.EXCLUSIVE_ACCESS)


@pytest.mark.parametrize(
    "answer",
    [Completion.check_condition(INVALID_FIELD_IN_CDB), Completion(Status.GOOD, data=bytes(8))],
    ids=["unsupported", "nonsense"],
)
def test_capabilities_that_a_disk_does_not_tell_are_not_known(answer: Completion) -> None:
    disk = Disk()
    disk.registered_hosts(A)

    status = observe(disk, answers={In.REPORT_CAPABILITIES: answer})

    assert status.capabilities is None
    assert [one.key for one in status.registrants] == [A]


def test_capabilities_are_told() -> None:
    disk = Disk()
    disk.host(1).register(0, A, aptpl=True)

    status = observe(disk)

    assert status.capabilities == disk.capabilities
    assert status.capabilities.ptpl_a


@pytest.mark.parametrize("why", [INVALID_FIELD_IN_CDB, INVALID_OPERATION_CODE])
def test_a_disk_without_persistent_reservations_is_an_error(why: Sense) -> None:
    with pytest.raises(CommandError) as caught:
        observe(Disk(), answers=lacking(*In, why=why))

    assert caught.value.command.service_action == In.READ_KEYS
    assert caught.value.sense == why


@pytest.mark.parametrize(
    "answer",
    [
        RESERVATION_CONFLICT,
        Completion(Status.BUSY),
        Completion.check_condition(sense.MEDIUM_NOT_PRESENT),
        Completion(Status.CHECK_CONDITION, b"nonsense"),
    ],
    ids=["conflict", "busy", "not ready", "sense data of no format"],
)
@pytest.mark.parametrize("action", In)
def test_any_other_refusal_is_an_error(action: In, answer: Completion) -> None:
    with pytest.raises(CommandError) as caught:
        observe(Disk(), answers={In.READ_FULL_STATUS: lacking(0)[0], action: answer})

    assert caught.value.command.service_action == action
    assert caught.value.completion == answer


def test_a_reservation_that_did_not_arrive_is_no_missing_one() -> None:
    disk = Disk()
    a = disk.registered_hosts(A)[0]
    a.reserve(A, Type.WRITE_EXCLUSIVE)
    cut = a.read(In.READ_RESERVATION).data[:8]

    with pytest.raises(MalformedError, match="READ RESERVATION"):
        observe(disk, answers={In.READ_RESERVATION: Completion(Status.GOOD, data=cut)})


class TestWhileHostsChangeTheDisk:
    @pytest.mark.parametrize("change", ["release", "register"])
    def test_the_answers_are_of_one_moment(self, change: str) -> None:
        disk = Disk()
        a, b = disk.registered_hosts(A, B)
        a.reserve(A, Type.WRITE_EXCLUSIVE)
        changes = iter(
            [
                lambda: (
                    a.release(A, Type.WRITE_EXCLUSIVE) if change == "release" else b.register(B, C)
                )
            ]
        )

        def before(action: int) -> None:
            if action == In.READ_RESERVATION:
                next(changes, lambda: None)()

        status = observe(disk, before=before)

        assert status.consistent
        assert status.reservation == disk.reservation
        assert [one.key for one in status.registrants] == list(disk.keys)

    def test_changes_without_end_are_told(self) -> None:
        disk = Disk()
        (a,) = disk.registered_hosts(A)
        path = Path(Host(disk.unit, OBSERVER))
        path.before = lambda action: (
            a.register(A, A) if action == In.READ_RESERVATION else None  # counts PRGENERATION up
        )

        status = query(path, NO_FD)

        assert not status.consistent
        assert path.sent.count(In.READ_FULL_STATUS) == ATTEMPTS


def register_named(names: list[str]) -> tuple[LogicalUnit, list[Host]]:
    unit = LogicalUnit(MemoryState())
    hosts = [Host(unit, Nexus(ISCSITransportID(name))) for name in names]
    for number, host in enumerate(hosts, start=1):
        host.register(0, number)
    return unit, hosts


@given(
    st.lists(st.integers(1, 223), min_size=1, max_size=40),
    st.integers(1, 12),
    st.integers(0, 2**32),
)
def test_what_is_called_complete_is_complete(
    sizes: list[int], repetitions: int, reserving: int
) -> None:
    names = [
        f"{repetition}-{number}".ljust(size, "x")
        for repetition in range(repetitions)
        for number, size in enumerate(sizes)
    ]
    unit, hosts = register_named(names)
    holder = reserving % len(hosts)
    hosts[holder].reserve(holder + 1, Type.WRITE_EXCLUSIVE)

    status = query(Path(Host(unit, OBSERVER)), NO_FD)

    assert status.complete == (len(status.registrants) == len(hosts))
    assert status.registered == len(hosts)
    assert status.consistent
    assert status.reservation == Reservation(holder + 1, Type.WRITE_EXCLUSIVE)


def test_more_keys_than_fit_into_any_answer_are_not_called_complete() -> None:
    unit, _ = register_named([f"iqn.2026-11.com.example:{number}" for number in range(1030)])

    status = query(Path(Host(unit, OBSERVER), answers=lacking(In.READ_FULL_STATUS)), NO_FD)

    assert not status.complete
    assert status.registered == len(status.registrants) == 1023


@pytest.mark.parametrize("type_", Type)
@pytest.mark.parametrize("keys", [(A, A), (A, B)])
def test_a_holder_with_several_paths_of_which_one_may_write_is_noticed(
    keys: tuple[int, int], type_: Type
) -> None:
    disk = Disk()
    first, _ = disk.registered_hosts(*keys)
    first.reserve(A, type_)

    status = observe(disk)

    holders_alone = type_ in (Type.WRITE_EXCLUSIVE, Type.EXCLUSIVE_ACCESS)
    assert status.one_path_writes == (keys == (A, A) and holders_alone)
    assert ("lets one of them write" in render("/dev/dm-0", status)) == status.one_path_writes
