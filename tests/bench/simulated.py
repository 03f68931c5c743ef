"""What a command costs on a simulated unit, by the number of nexuses that are registered."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from qemu_pr.devices.file_identity import file_identity
from qemu_pr.devices.simulated import SimulatedDevice
from qemu_pr.devices.simulated_state import SqliteState
from qemu_pr.devices.state_file import StateFile
from qemu_pr.logical_unit import LogicalUnit, MemoryState, Nexus, Registration, State
from qemu_pr.manager import ConnectError, PRManagerHelper
from qemu_pr.scsi.commands import (
    InServiceAction,
    OutServiceAction,
    PersistentReserveIn,
    PersistentReserveOut,
    ReservationType,
)
from qemu_pr.scsi.parameter_lists import ParameterList
from qemu_pr.scsi.status import Completion, Status
from qemu_pr.scsi.transport_ids import SASTransportID

REGISTRANTS = (2, 100, 10_000)
KEY = 0xA
INITIATOR = 0x5000000000000001

Execute = Callable[[bytes, bytes], Completion]


def _out(action: OutServiceAction, key: int = 0, new_key: int = 0) -> tuple[bytes, bytes]:
    parameters = ParameterList(key, new_key).encode()
    type_ = ReservationType.EXCLUSIVE_ACCESS
    return PersistentReserveOut(action, len(parameters), type=type_).encode(), parameters


# A failover, over and over: commands whose data SPC does not make grow with the registrants.
ROUND = (
    _out(OutServiceAction.RESERVE, KEY),
    (PersistentReserveIn(InServiceAction.READ_RESERVATION, 8192).encode(), b""),
    _out(OutServiceAction.RELEASE, KEY),
    (PersistentReserveIn(InServiceAction.REPORT_CAPABILITIES, 8192).encode(), b""),
)


def commands_a_second(execute: Execute, seconds: float) -> float:
    """Send whole rounds of commands for so long."""
    count = 0
    begin = time.perf_counter()
    while (elapsed := time.perf_counter() - begin) < seconds:
        for cdb, data_out in ROUND:
            completion = execute(cdb.ljust(16, b"\0"), data_out)
            assert completion.status == Status.GOOD, completion
        count += len(ROUND)
    return count / elapsed


def in_process(registrants: int) -> Execute:
    """A unit in this process's memory."""
    state = MemoryState()
    _register(state, registrants)
    unit = LogicalUnit(state)
    nexus = Nexus(SASTransportID(INITIATOR))
    return lambda cdb, data_out: unit.execute(nexus, cdb, data_out)


def in_sqlite(registrants: int, folder: Path) -> Execute:
    """The device that --simulate uses, with a STATE file, in this process."""
    device = SimulatedDevice(str(_state_file(registrants, folder)))
    fd = os.open(folder / "disk", os.O_RDWR)
    return lambda cdb, data_out: device.execute(fd, cdb, data_out)


@contextmanager
def through_helpers(folder: Path) -> Iterator[dict[int, Execute]]:
    """The same devices behind helpers' sockets, by their number of registrants."""
    with ExitStack() as running:
        disk = running.enter_context(open(folder / "disk", "r+b"))

        def start(registrants: int) -> Execute:
            path = str(folder / f"simulated{registrants}.sock")
            command = [sys.executable, "-m", "qemu_pr.cli.qemu_pr_helper", "-k", path]
            helper = subprocess.Popen(
                [*command, "--simulate", str(_state_file(registrants, folder))]
            )
            running.callback(helper.wait)
            running.callback(helper.terminate)
            manager = running.enter_context(_connected(path))
            return lambda cdb, data_out: manager.execute(disk.fileno(), cdb, data_out)

        yield {registrants: start(registrants) for registrants in REGISTRANTS}


def _connected(path: str) -> PRManagerHelper:
    deadline = time.monotonic() + 30
    while True:
        try:
            return PRManagerHelper(path)
        except ConnectError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _state_file(registrants: int, folder: Path) -> Path:
    """Make a STATE file in which so many nexuses are registered with one disk."""
    path = folder / f"state{registrants}"
    disk = folder / "disk"
    disk.touch()
    if not path.exists():
        file = StateFile(str(path))
        fd = os.open(disk, os.O_RDONLY)
        with file.transaction() as connection:
            _register(SqliteState(connection, file_identity(fd)), registrants)
        os.close(fd)
        file.close()
    return path


def _register(state: State, registrants: int) -> None:
    for number in range(registrants):
        nexus = Nexus(SASTransportID(INITIATOR + number))
        state.register(nexus, Registration(KEY + number))
