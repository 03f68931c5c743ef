"""However a run ends, no key of it stays on the disk, and nobody else's goes."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qemu_pr.cli.qemu_pr import main
from qemu_pr.devices.simulated import SimulatedDevice
from qemu_pr.scsi.commands import (
    InServiceAction,
    OutServiceAction,
    PersistentReserveIn,
    PersistentReserveOut,
)
from qemu_pr.scsi.parameter_data import ReadKeys
from qemu_pr.scsi.parameter_lists import ParameterList
from qemu_pr.scsi.status import Status
from validating import Done, Validate, validate_disk

MOMENTS = 200
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
THEIRS = 0xC0FFEE
MARK = 0x71707276


@pytest.fixture
def state() -> Iterator[Path]:
    """A STATE file in memory: a run is to take no longer than it must."""
    directory = tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    yield Path(directory, "state.db")
    shutil.rmtree(directory)


class Others:
    """A third host, with software of its own."""

    def __init__(self, state: Path, disk: Path) -> None:
        self._device = SimulatedDevice(str(state), "naa.500000000000000c")
        self._disk = disk

    def register(self, key: int, named: int) -> None:
        data = ParameterList(key, named).encode()
        cdb = PersistentReserveOut(OutServiceAction.REGISTER, len(data)).encode()
        while self._send(cdb, data).status == Status.CHECK_CONDITION:
            pass  # what it was told of removals

    def keys(self) -> set[int]:
        cdb = PersistentReserveIn(InServiceAction.READ_KEYS, 8192).encode()
        while (answer := self._send(cdb, b"")).status == Status.CHECK_CONDITION:
            pass
        return set(ReadKeys.decode(answer.data).keys)

    def _send(self, cdb: bytes, data: bytes):
        with self._disk.open("r+b") as file:
            return self._device.execute(file.fileno(), cdb, data)


@pytest.fixture
def others(state: Path, disk: Path) -> Others:
    return Others(state, disk)


def started(disk: Path, state: Path) -> int:
    """Start a run in a process of its own, and give its number."""
    # Until `main` runs, an exception of SIGINT would go on in the child as another pytest.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    process = os.fork()
    if process == 0:
        silence = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(silence, descriptor)
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - pytest's are not 1 and 2
        status = 99
        try:
            options = ["--simulate", str(state), "--yes", "--profile=live-migration"]
            status = main(["validate", str(disk), *options])
        finally:
            os._exit(status)
    signal.signal(signal.SIGINT, before)
    return process


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_no_key_is_left_after_the_next_start_whenever_a_run_is_killed(disk, state, others, records):
    choose = random.Random(20261126)
    begin = time.monotonic()
    os.waitpid(started(disk, state), 0)
    duration = time.monotonic() - begin
    left_by_kill = 0

    for moment in range(MOMENTS):
        number = SIGNALS[moment % len(SIGNALS)]
        run = started(disk, state)
        time.sleep(choose.uniform(0, duration))  # a random moment, not a condition
        os.kill(run, number)
        os.waitpid(run, 0)
        if number != signal.SIGKILL:
            assert others.keys() == set()
            continue
        left_by_kill += bool(others.keys())
        others.register(0, THEIRS)
        cleaned = validate_disk(disk, "--simulate", state, "--yes")

        assert others.keys() == {THEIRS}
        assert cleaned.status == 2
        assert f"the key {THEIRS:#x} is registered" in cleaned.stderr
        others.register(THEIRS, 0)

    assert left_by_kill > MOMENTS / len(SIGNALS) / 4  # kills did hit runs in their midst
    assert list(records.iterdir()) == []


def key_is_seen(others: Others, is_done: Callable[[], bool]) -> bool:
    """Wait for a key of a run; a quick one may be done before anybody looks."""
    while not others.keys():
        if is_done():
            return False
    return True


def test_a_run_that_is_interrupted_says_so_and_leaves_nothing(disk, state, others):
    command = [sys.executable, "-m", "qemu_pr", "validate", disk, "--simulate", state, "--yes"]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    while True:  # until one is interrupted before it is done
        run = subprocess.Popen(command, **pipes)
        is_seen = key_is_seen(others, lambda run=run: run.poll() is not None)
        run.terminate()
        _, said = run.communicate()
        if is_seen and run.returncode != 0:
            break

    assert run.returncode == 128 + signal.SIGTERM
    assert others.keys() == set()
    assert said.splitlines()[-1] == "qemu-pr: validate: stopped; none of its keys is left"


def killed(disk: Path, state: Path, others: Others) -> set[int]:
    """Have a run be killed while a key of it is registered, and give what it left."""
    while True:
        run = started(disk, state)
        if key_is_seen(others, lambda run=run: os.waitpid(run, os.WNOHANG) != (0, 0)):
            os.kill(run, signal.SIGKILL)
            os.waitpid(run, 0)
            if left := others.keys():
                return left


def test_what_a_killed_run_left_is_named_and_kept_if_nobody_agrees(disk, state, others):
    left = killed(disk, state, others)

    refused = validate_disk(disk, "--simulate", state)

    assert refused.status == 2
    assert all(f"{key:#x}" in refused.stderr for key in left)
    assert "Remove them?" in refused.stderr
    assert others.keys() == left


def test_clean_removes_what_a_killed_run_left_and_does_nothing_else(disk, state, others):
    killed(disk, state, others)

    done = validate_disk(disk, "--simulate", state, "--yes", "--clean")

    assert done == Done(0, "", "")
    assert others.keys() == set()


def test_keys_of_another_host_s_run_are_left_alone_unless_asked_for(disk, state, others):
    theirs = MARK << 32 | 0xABCDEF01
    others.register(0, theirs)

    refused = validate_disk(disk, "--simulate", state, "--yes")
    kept = others.keys()
    cleaned = validate_disk(disk, "--simulate", state, "--yes", "--clean")

    assert "a key of a qemu-pr validate on another host" in refused.stderr
    assert (refused.status, cleaned.status) == (2, 0)
    assert (kept, others.keys()) == ({theirs}, set())


def test_clean_leaves_keys_of_others_alone(disk, state, others):
    others.register(0, THEIRS)

    done = validate_disk(disk, "--simulate", state, "--yes", "--clean")

    assert done.status == 0
    assert others.keys() == {THEIRS}


def test_another_program_that_registers_meanwhile_ends_the_run_and_keeps_its_key(
    validate: Validate, others, monkeypatch
):
    from qemu_pr.cli.validate import text

    shown = []

    def show(result):
        shown.append(result)
        if len(shown) == 4:
            others.register(0, THEIRS)

    monkeypatch.setattr(text, "show", show)

    done = validate()

    assert done.status == 2
    assert f"another program registered the key {THEIRS:#x} while this ran" in done.stderr
    assert others.keys() == {THEIRS}
