"""Simulated disks that do not keep to SPC-4, each next to one that does."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from qemu_pr.devices.quirks import QUIRKS
from qemu_pr.devices.simulated import SimulatedDevice, SimulationError
from qemu_pr.scsi.commands import (
    InServiceAction,
    OutServiceAction,
    PersistentReserveIn,
    PersistentReserveOut,
    ReservationType,
)
from qemu_pr.scsi.parameter_data import ReadKeys
from qemu_pr.scsi.parameter_lists import ParameterList
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.status import GOOD, RESERVATION_CONFLICT, Completion

OURS, THEIRS = 0xA, 0xB
TYPE = ReservationType.WRITE_EXCLUSIVE_REGISTRANTS_ONLY
READ_KEYS = PersistentReserveIn(InServiceAction.READ_KEYS, 8192).encode()


class Host:
    """A host that shares a simulated disk."""

    def __init__(self, state: Path, disk: Path, number: int, quirk: str | None) -> None:
        initiator = f"naa.600140500000000{number}"
        self._device = SimulatedDevice(str(state), initiator, quirk)
        self._disk = disk

    def out(self, action: OutServiceAction, key: int = 0, named: int = 0) -> Completion:
        data = ParameterList(key, named).encode()
        command = PersistentReserveOut(action, len(data), type=TYPE)
        return self._at(lambda fd: self._device.execute(fd, command.encode(), data))

    def read_keys(self) -> Completion:
        return self._at(lambda fd: self._device.execute(fd, READ_KEYS, b""))

    def keys(self) -> set[int]:
        completion = self.read_keys()
        while completion.status != GOOD.status:
            completion = self.read_keys()
        return set(ReadKeys.decode(completion.data).keys)

    def write(self) -> Completion:
        return self._at(lambda fd: self._device.medium(fd, write=True))

    def reset(self) -> None:
        with self._disk.open("rb") as file:
            self._device.reset(file.fileno())

    def _at(self, act: Callable[[int], Completion]) -> Completion:
        with self._disk.open("rb") as file:
            return act(file.fileno())


Hosts = Callable[..., tuple[Host, Host]]


@pytest.fixture
def hosts(tmp_path: Path) -> Hosts:
    """Two hosts, which have met the disk."""
    disk = tmp_path / "disk.img"
    disk.touch()

    def share(quirk: str | None, others: str | None = None) -> tuple[Host, Host]:
        state = tmp_path / f"{quirk}.db"
        pair = Host(state, disk, 1, quirk), Host(state, disk, 2, others or quirk)
        for host in pair:
            host.keys()
        return pair

    return share


REGISTER, RESERVE, PREEMPT = (
    OutServiceAction.REGISTER,
    OutServiceAction.RESERVE,
    OutServiceAction.PREEMPT,
)
IGNORE = OutServiceAction.REGISTER_AND_IGNORE_EXISTING_KEY


def both_register(pair: tuple[Host, Host]) -> tuple[Host, Host]:
    pair[0].out(REGISTER, 0, OURS)
    pair[1].out(REGISTER, 0, THEIRS)
    return pair


@pytest.mark.parametrize(("quirk", "left"), [(None, {OURS, THEIRS}), ("ignore-replaces", {THEIRS})])
def test_register_and_ignore_existing_key_replaces_another_host_s_key(hosts, quirk, left):
    one, other = hosts(quirk)
    one.out(REGISTER, 0, OURS)
    one.out(RESERVE, OURS)

    assert other.out(IGNORE, 0, THEIRS) == GOOD

    assert one.keys() == left


@pytest.mark.parametrize(("quirk", "left"), [(None, {OURS, THEIRS}), ("forgets-at-reset", set())])
def test_a_reset_takes_registrations_away(hosts, quirk, left):
    one, other = both_register(hosts(quirk))
    one.out(RESERVE, OURS)

    other.reset()

    assert one.keys() == left


def test_a_helper_that_starts_finds_the_disk_reset(hosts):
    one, _ = both_register(hosts("forgets-at-reset"))

    one, _ = hosts("forgets-at-reset")

    assert one.keys() == set()


@pytest.mark.parametrize(("quirk", "status"), [(None, 2), ("no-attention", 0)])
def test_whoever_is_preempted_is_not_told(hosts, quirk, status):
    one, other = both_register(hosts(quirk))

    one.out(PREEMPT, OURS, THEIRS)

    assert other.read_keys().status == status
    assert other.keys() == {OURS}


@pytest.mark.parametrize(("quirk", "left"), [(None, {OURS}), ("preempt-keeps", {OURS, THEIRS})])
def test_preempt_leaves_the_registration(hosts, quirk, left):
    one, other = both_register(hosts(quirk))
    other.out(RESERVE, THEIRS)

    assert one.out(PREEMPT, OURS, THEIRS) == GOOD

    assert one.keys() == left


@pytest.mark.parametrize(
    ("quirk", "answer"), [(None, GOOD), ("one-initiator", RESERVATION_CONFLICT)]
)
def test_two_hosts_are_one(hosts, quirk, answer):
    one, other = hosts(quirk)
    one.out(REGISTER, 0, OURS)

    assert other.out(REGISTER, 0, THEIRS) == answer


def test_a_host_s_commands_reach_another_disk(hosts):
    one, other = both_register(hosts(None, "other-disk"))

    assert (one.keys(), other.keys()) == ({OURS}, {THEIRS})


def test_register_says_not_ready_and_registers(hosts):
    one, _ = hosts("not-ready")

    assert one.out(REGISTER, 0, OURS) == Completion.check_condition(Sense(2, 8, 0))

    assert one.keys() == {OURS}


@pytest.mark.parametrize(
    ("quirk", "answer"), [(None, RESERVATION_CONFLICT), ("no-enforcement", GOOD)]
)
def test_writes_are_carried_out_in_spite_of_a_reservation(hosts, quirk, answer):
    one, other = hosts(quirk)
    one.out(REGISTER, 0, OURS)
    one.out(RESERVE, OURS)

    assert other.write() == answer


def test_a_name_that_no_quirk_has_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(SimulationError, match=r"--quirk nosuch: .* ignore-replaces, "):
        SimulatedDevice(str(tmp_path / "state.db"), quirk="nosuch")


@pytest.mark.parametrize(("quirk", "loaded"), [(None, False), ("not-ready", True)])
def test_quirks_are_loaded_only_where_one_is_asked_for(tmp_path, quirk, loaded):
    program = (
        "import sys; from qemu_pr.devices.simulated import SimulatedDevice;"
        f"SimulatedDevice({str(tmp_path / 'state.db')!r}, quirk={quirk!r});"
        "print('qemu_pr.devices.quirks' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert done.stdout == f"{loaded}\n"


def test_the_tests_above_cover_every_quirk():
    text = Path(__file__).read_text()

    assert all(f'"{name}"' in text for name in QUIRKS)
