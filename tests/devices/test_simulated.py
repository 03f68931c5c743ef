"""Simulated disks: several hosts, one STATE file."""

import contextlib
import os
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lio import Sequence, disagreements, recorded_sequences
from qemu_pr.devices import DeviceError, simulated_state
from qemu_pr.devices.simulated import SimulatedDevice, SimulationError
from qemu_pr.scsi.commands import (
    InServiceAction,
    OutServiceAction,
    PersistentReserveIn,
    PersistentReserveOut,
    ReservationType,
)
from qemu_pr.scsi.parameter_data import ReadKeys, ReadReservation
from qemu_pr.scsi.parameter_lists import ParameterList
from qemu_pr.scsi.sense import INTERNAL_TARGET_FAILURE
from qemu_pr.scsi.status import GOOD, RESERVATION_CONFLICT, Completion

HOST_A = "naa.6001405000000001"
HOST_B = "naa.6001405000000002"
A_KEY = {"service_action_reservation_key": 10}


@pytest.fixture
def state(tmp_path: Path) -> str:
    return str(tmp_path / "state.db")


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(512))
    return path


def out(device: SimulatedDevice, disk: Path, action: OutServiceAction, **fields: int) -> Completion:
    type_ = fields.pop("type", 0)
    data = ParameterList(**fields).encode()
    return send(device, disk, PersistentReserveOut(action, len(data), type=type_).encode(), data)


def keys(device: SimulatedDevice, disk: Path) -> tuple[int, ...]:
    command = PersistentReserveIn(InServiceAction.READ_KEYS, 8192).encode()
    return ReadKeys.decode(send(device, disk, command).data).keys


def send(device: SimulatedDevice, disk: Path, cdb: bytes, data: bytes = b"") -> Completion:
    fd = os.open(disk, os.O_RDONLY)
    try:
        return device.execute(fd, cdb, data)
    finally:
        os.close(fd)


@pytest.mark.parametrize("sequence", recorded_sequences()[:20], ids=lambda sequence: sequence.seed)
def test_hosts_are_answered_as_the_kernel_answered(
    sequence: Sequence, state: str, disk: Path
) -> None:
    hosts = [SimulatedDevice(state, name) for name in sequence.initiators]

    answers = [send(hosts[step.nexus], disk, step.cdb, step.data_out) for step in sequence.steps]

    assert disagreements(sequence, answers) == []


def test_what_one_host_registers_another_reads(state: str, disk: Path) -> None:
    a, b = SimulatedDevice(state, HOST_A), SimulatedDevice(state, HOST_B)

    out(a, disk, OutServiceAction.REGISTER, service_action_reservation_key=0xA)

    assert keys(b, disk) == (0xA,)


def test_reservation_outlives_the_process_that_made_it(state: str, disk: Path) -> None:
    first = SimulatedDevice(state, HOST_A)
    out(first, disk, OutServiceAction.REGISTER, service_action_reservation_key=0xA)
    type_ = ReservationType.EXCLUSIVE_ACCESS
    out(first, disk, OutServiceAction.RESERVE, reservation_key=0xA, type=type_)

    later = SimulatedDevice(state, HOST_B)
    command = PersistentReserveIn(InServiceAction.READ_RESERVATION, 8192).encode()
    reservation = ReadReservation.decode(send(later, disk, command).data).reservation

    assert reservation is not None
    assert (reservation.key, reservation.type) == (0xA, type_)


def test_two_processes_with_the_same_initiator_are_one_host(state: str, disk: Path) -> None:
    out(
        SimulatedDevice(state, HOST_A),
        disk,
        OutServiceAction.REGISTER,
        service_action_reservation_key=0xA,
    )

    answer = out(
        SimulatedDevice(state, HOST_A), disk, OutServiceAction.RESERVE, reservation_key=0xA, type=1
    )

    assert answer == GOOD


def test_each_file_is_a_disk_of_its_own(state: str, disk: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.img"
    other.touch()
    host = SimulatedDevice(state, HOST_A)

    out(host, disk, OutServiceAction.REGISTER, service_action_reservation_key=0xA)

    assert keys(host, other) == ()


def test_hard_link_is_the_same_disk(state: str, disk: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.img"
    link.hardlink_to(disk)
    host = SimulatedDevice(state, HOST_A)

    out(host, disk, OutServiceAction.REGISTER, service_action_reservation_key=0xA)

    assert keys(host, link) == (0xA,)


def test_file_created_again_is_a_new_disk_even_with_the_same_inode(state: str, disk: Path) -> None:
    host = SimulatedDevice(state, HOST_A)
    for _ in range(20):  # file systems reuse an inode number at once, or after a few files
        inode = disk.stat().st_ino
        out(host, disk, OutServiceAction.REGISTER, service_action_reservation_key=0xA)
        disk.unlink()
        disk.touch()

        assert keys(host, disk) == ()
        if disk.stat().st_ino == inode:
            break


def test_64_bit_keys_are_kept_whole(state: str, disk: Path) -> None:
    host = SimulatedDevice(state, HOST_A)

    out(host, disk, OutServiceAction.REGISTER, service_action_reservation_key=0xFFFFFFFFFFFFFFFF)

    assert keys(host, disk) == (0xFFFFFFFFFFFFFFFF,)


def test_refused_command_leaves_the_state_as_it_was(state: str, disk: Path) -> None:
    host = SimulatedDevice(state, HOST_A)
    out(host, disk, OutServiceAction.REGISTER, service_action_reservation_key=0xA)

    answer = out(
        host,
        disk,
        OutServiceAction.REGISTER,
        reservation_key=0xB,
        service_action_reservation_key=0xC,
    )

    assert answer == RESERVATION_CONFLICT
    assert keys(host, disk) == (0xA,)


@pytest.mark.parametrize(
    ("initiator", "why"),
    [
        ("", "want naa. and 16 hex digits"),
        ("naa.123", "want naa. and 16 hex digits"),
        ("host-a", "want naa. and 16 hex digits"),
        ("iqn.2026-11.com.example:a,i,0xzz", "up to 12 hex digits"),
        ("iqn." + "x" * 220, "at most 223"),
    ],
)
def test_bad_initiator_name_is_refused(initiator: str, why: str, state: str) -> None:
    with pytest.raises(SimulationError, match=why):
        SimulatedDevice(state, initiator)


def test_state_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but somebody's notes " * 100)
    before = path.read_bytes()

    with pytest.raises(SimulationError, match="name a new file"):
        SimulatedDevice(str(path), HOST_A)

    assert path.read_bytes() == before


def test_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "places.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE disk (mine)")
    connection.close()

    with pytest.raises(SimulationError, match="another program"):
        SimulatedDevice(str(path), HOST_A)

    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT sql FROM sqlite_schema").fetchall() == [
            ("CREATE TABLE disk (mine)",)
        ]
    connection.close()


def test_state_in_a_missing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match="No such file or directory"):
        SimulatedDevice(str(tmp_path / "nowhere" / "state.db"), HOST_A)


def test_state_damaged_while_running_fails_the_command(state: str, disk: Path) -> None:
    host = SimulatedDevice(state, HOST_A)
    with sqlite3.connect(state) as connection:
        connection.execute("DROP TABLE registration")
    connection.close()

    with pytest.raises(DeviceError, match=f"{state}: no such table: registration") as caught:
        out(host, disk, OutServiceAction.REGISTER, service_action_reservation_key=0xA)

    assert caught.value.completion == Completion.check_condition(INTERNAL_TARGET_FAILURE)


def test_state_locked_for_long_fails_the_command_and_the_next_one_works(
    state: str, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulated_state, "LOCK_TIMEOUT", 0.05)
    host = SimulatedDevice(state, HOST_A)
    out(host, disk, OutServiceAction.REGISTER, service_action_reservation_key=0xA)
    other = sqlite3.connect(state, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(DeviceError, match=f"{state}: database is locked") as caught:
        out(host, disk, OutServiceAction.CLEAR, reservation_key=0xA)

    other.close()
    assert caught.value.completion == Completion.check_condition(INTERNAL_TARGET_FAILURE)
    assert keys(host, disk) == (0xA,)


@pytest.fixture
def content(state: str, disk: Path) -> bytes:
    """What a STATE holds of two hosts that share a disk, one of which reserves it."""
    for name in (HOST_A, HOST_B):
        out(SimulatedDevice(state, name), disk, OutServiceAction.REGISTER, **A_KEY)
    out(SimulatedDevice(state, HOST_A), disk, OutServiceAction.RESERVE, reservation_key=10, type=7)
    return Path(state).read_bytes()


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 1 << 15), damage=st.binary(min_size=1, max_size=16))
@example(place=3862, damage=b"\x80")  # in a message of SQLite's, which then is no text
def test_a_state_with_a_damaged_place_fails_commands_at_most(
    content: bytes, tmp_path: Path, disk: Path, place: int, damage: bytes
) -> None:
    place %= len(content)
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(content[:place] + damage + content[place + len(damage) :])

    with contextlib.suppress(SimulationError, DeviceError):
        host = SimulatedDevice(str(damaged), HOST_A)
        for action in InServiceAction:
            send(host, disk, PersistentReserveIn(action, 8192).encode())
        out(host, disk, OutServiceAction.CLEAR, reservation_key=10)
