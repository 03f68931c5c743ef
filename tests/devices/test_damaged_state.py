"""A STATE file with flipped bits: a command is answered as if there were none, or fails."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from qemu_pr.devices import DeviceError
from qemu_pr.devices.simulated import SimulatedDevice, SimulationError
from qemu_pr.scsi.commands import InServiceAction as In
from qemu_pr.scsi.commands import OutServiceAction as Out
from qemu_pr.scsi.commands import PersistentReserveIn, PersistentReserveOut
from qemu_pr.scsi.parameter_lists import ParameterList
from qemu_pr.scsi.sense import INTERNAL_TARGET_FAILURE
from qemu_pr.scsi.status import Completion, Status

A, B, C, D, E = range(5)
FAILED = Completion.check_condition(INTERNAL_TARGET_FAILURE)

Command = tuple[int, bytes, bytes]
"""A host, its CDB, and its parameter list."""


def out(host: int, action: Out, key: int = 0, new: int = 0, type_: int = 3) -> Command:
    data = ParameterList(key, new).encode()
    return host, PersistentReserveOut(action, len(data), type=type_).encode(), data


def read(host: int, action: In) -> Command:
    return host, PersistentReserveIn(action, 8192).encode(), b""


BEFORE = [
    *(out(host, Out.REGISTER, 0, 10 + host) for host in (A, B, C, D)),
    out(A, Out.PREEMPT, 10, 10 + D),  # which D is to be told
    out(A, Out.RESERVE, 10, type_=5),
    out(A, Out.RELEASE, 10, type_=5),  # which B and C are to be told
    out(A, Out.RESERVE, 10),
]
"""What makes several registrations, a reservation and unit attentions."""

AFTER = [
    *(read(E, action) for action in In),
    *(out(host, Out.RESERVE, 10 + host) for host in (A, B, B, C, D, D, E)),
    out(E, Out.REGISTER, 0, 10 + E),
    out(C, Out.RESERVE, 10 + C),
    out(E, Out.PREEMPT, 10 + E, 10 + A),
    *(read(E, action) for action in In),
    out(A, Out.RESERVE, 10),
    out(A, Out.RESERVE, 10),
]


class Hosts:
    """Hosts with one STATE, each in a process of its own as far as SQLite can tell."""

    def __init__(self, state: Path, disk: Path) -> None:
        self._devices = [
            SimulatedDevice(str(state), f"naa.600140500000000{host}") for host in range(5)
        ]
        self._disk = disk

    def __enter__(self) -> "Hosts":
        return self

    def __exit__(self, *_: object) -> None:
        for device in self._devices:
            device.close()

    def send(self, command: Command) -> Completion | None:
        """Give the answer, None if STATE cannot be used."""
        host, cdb, data_out = command
        fd = os.open(self._disk, os.O_RDWR)
        try:
            return self._devices[host].execute(fd, cdb, data_out)
        except DeviceError as error:
            failed = error
        finally:
            os.close(fd)
        assert failed.completion == FAILED
        assert_one_line(failed)
        return None


def flip(path: Path, bits: list[tuple[bool, int]]) -> None:
    """Flip bits of a file, in bytes that are not zero or anywhere; most of the file is zeros."""
    content = path.read_bytes()
    with path.open("r+b") as file:
        for is_used, bit in bits:
            places = [i for i, byte in enumerate(content) if byte or not is_used]
            place = places[bit // 8 % len(places)]
            file.seek(place)
            file.write(bytes((content[place] ^ 1 << bit % 8,)))


def assert_right_or_failed(
    hosts: Hosts, commands: list[Command], expected: list[Completion]
) -> None:
    """Send commands until one fails; it says why in a line."""
    for command, answer in zip(commands, expected, strict=True):
        completion = hosts.send(command)
        if completion is None:
            return
        assert completion == answer


def assert_one_line(error: Exception) -> None:
    assert str(error).isprintable()
    assert "; " in str(error), "what to do"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state")
    (folder / "disk.img").touch()
    return folder


@pytest.fixture(scope="module")
def undamaged(folder: Path) -> bytes:
    """What STATE holds after the first commands."""
    with Hosts(folder / "first.db", folder / "disk.img") as hosts:
        assert {hosts.send(command).status for command in BEFORE} == {Status.GOOD}
    return (folder / "first.db").read_bytes()


@pytest.fixture(scope="module")
def expected(undamaged: bytes, folder: Path) -> list[Completion]:
    """The right answers to the last commands."""
    state = folder / "second.db"
    state.write_bytes(undamaged)
    with Hosts(state, folder / "disk.img") as hosts:
        return [hosts.send(command) for command in AFTER]


@pytest.fixture(scope="module")
def fresh(undamaged: bytes, folder: Path) -> Callable[[], Path]:
    """Make STATE files that are copies of the undamaged one."""

    def make() -> Path:
        path = folder / "damaged.db"
        path.unlink(missing_ok=True)
        path.write_bytes(undamaged)
        return path

    return make


bits = st.lists(
    st.tuples(st.sampled_from([True, True, False]), st.integers(0, (1 << 20) - 1)),
    min_size=1,
    max_size=3,
)
times = settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])


def test_the_answers_to_expect_are_of_every_kind(expected):
    statuses = [answer.status for answer in expected]

    assert statuses.count(Status.CHECK_CONDITION) == 4  # A, B, C and D are told something
    assert statuses.count(Status.RESERVATION_CONFLICT) >= 4
    assert statuses.count(Status.GOOD) >= 10


@times
@given(bits)
def test_bits_flipped_before_the_start_give_right_answers_or_errors(fresh, folder, expected, bits):
    state = fresh()
    flip(state, bits)

    try:
        hosts = Hosts(state, folder / "disk.img")
    except SimulationError as error:
        assert_one_line(error)
        return
    with hosts:
        assert_right_or_failed(hosts, AFTER, expected)


@times
@given(bits, st.integers(0, len(AFTER) - 1))
def test_bits_flipped_while_helpers_run_give_right_answers_or_errors(
    fresh, folder, expected, bits, moment
):
    state = fresh()
    with Hosts(state, folder / "disk.img") as hosts:
        assert [hosts.send(command) for command in AFTER[:moment]] == expected[:moment]

        flip(state, bits)

        assert_right_or_failed(hosts, AFTER[moment:], expected[moment:])


@settings(max_examples=100)
@given(place=st.integers(0, 1 << 15), damage=st.binary(min_size=1, max_size=16))
@example(place=3862, damage=b"\x80")
def test_overwritten_bytes_fail_commands_at_most(fresh, folder, place, damage):
    state = fresh()
    with state.open("r+b") as file:
        file.seek(place)
        file.write(damage)

    with contextlib.suppress(SimulationError), Hosts(state, folder / "disk.img") as hosts:
        for command in AFTER:
            hosts.send(command)
