"""Simulated disks: several hosts, one STATE file."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from lio import Sequence, disagreements, recorded_sequences
from qemu_pr.devices import DeviceError, state_file
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
NEW = "service_action_reservation_key"


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


def lose_a_table(connection: sqlite3.Connection) -> None:
    connection.execute("DROP TABLE registration")


def change_a_value(connection: sqlite3.Connection) -> None:
    connection.create_function("row_checksum", -1, lambda *_: 0, deterministic=True)
    connection.execute("UPDATE disk SET generation = 7")


def lose_the_holder(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM registration")


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lose_a_table, "its tables got damaged"),
        (change_a_value, r"its contents got damaged \(CHECK constraint failed in disk\)"),
        (lose_the_holder, "what belongs together got damaged"),
    ],
)
def test_state_damaged_while_running_fails_the_command(
    damage: Callable[[sqlite3.Connection], None], why: str, state: str, disk: Path
) -> None:
    host = SimulatedDevice(state, HOST_A)
    out(host, disk, OutServiceAction.REGISTER, service_action_reservation_key=0xA)
    out(host, disk, OutServiceAction.RESERVE, reservation_key=0xA, type=1)
    modified = os.stat(state).st_mtime_ns
    with sqlite3.connect(state) as connection:
        damage(connection)
    connection.close()
    os.utime(state, ns=(modified, modified))  # as within one tick of the file system's clock

    with pytest.raises(DeviceError, match=f"{state}: {why}.*; stop the helpers") as caught:
        out(host, disk, OutServiceAction.REGISTER, service_action_reservation_key=0xA)

    assert caught.value.completion == Completion.check_condition(INTERNAL_TARGET_FAILURE)


def test_state_written_without_sqlite_is_looked_at_again(state: str, disk: Path) -> None:
    host = SimulatedDevice(state, HOST_A)
    out(host, disk, OutServiceAction.REGISTER, service_action_reservation_key=0xA)
    modified = os.stat(state).st_mtime_ns
    content = Path(state).read_bytes()
    with Path(state).open("r+b") as file:
        file.seek(content.index(b"\0\0\0\x0a"))  # part of the key
        file.write(b"\0\0\0\x0b")
    os.utime(state, ns=(modified + 1, modified + 1))  # as after a tick of the file system's clock

    with pytest.raises(DeviceError, match="its contents got damaged"):
        keys(host, disk)


def test_state_of_another_format_is_refused_and_left_alone(state: str) -> None:
    SimulatedDevice(state)
    with sqlite3.connect(state) as connection:
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    before = Path(state).read_bytes()

    with pytest.raises(SimulationError, match=r"format 1, this one reads 2\); name a new file"):
        SimulatedDevice(state)

    assert Path(state).read_bytes() == before


def test_state_moved_in_place_of_another_is_the_one_that_counts(
    state: str, disk: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.db"
    out(SimulatedDevice(str(other), HOST_B), disk, OutServiceAction.REGISTER, **{NEW: 0xB})
    host = SimulatedDevice(state, HOST_A)
    out(host, disk, OutServiceAction.REGISTER, **{NEW: 0xA})

    other.rename(state)

    assert keys(host, disk) == (0xB,)


def test_state_locked_for_long_fails_the_command_and_the_next_one_works(
    state: str, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_file, "LOCK_TIMEOUT", 0.05)
    host = SimulatedDevice(state, HOST_A)
    out(host, disk, OutServiceAction.REGISTER, service_action_reservation_key=0xA)
    other = sqlite3.connect(state, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(DeviceError, match=f"{state}: database is locked") as caught:
        out(host, disk, OutServiceAction.CLEAR, reservation_key=0xA)

    other.close()
    assert caught.value.completion == Completion.check_condition(INTERNAL_TARGET_FAILURE)
    assert keys(host, disk) == (0xA,)
