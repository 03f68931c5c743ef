"""Clients that behave: random valid commands, and for each the one reply that is right.

Each has a simulated disk to itself, so a logical unit in its own memory tells what to expect.
Between commands on it, it sends some to a device that takes none.
"""

import os
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Protocol

from qemu_pr.logical_unit import LogicalUnit, MemoryState, Nexus
from qemu_pr.manager import ConnectError, PRManagerHelper
from qemu_pr.scsi import transport_ids
from qemu_pr.scsi.commands import (
    InServiceAction,
    OutServiceAction,
    PersistentReserveIn,
    PersistentReserveOut,
    ReservationType,
)
from qemu_pr.scsi.parameter_data import ReadKeys
from qemu_pr.scsi.parameter_lists import ParameterList
from qemu_pr.scsi.sense import COMMAND_IO_PROCESS_TERMINATED
from qemu_pr.scsi.status import Completion, Status

INITIATOR = "naa.5000000000000001"
KEYS = (0, 0xA, 0xB, 0xFFFFFFFFFFFFFFFF)
SENSE_SIZE = 18

_OUT_ACTIONS = [action for action in OutServiceAction if action < 7]
_LENGTHS = (0, 7, 8, 16, 24, 100, 8192)
_REJECTED = Completion.check_condition(COMMAND_IO_PROCESS_TERMINATED)


class Report(Protocol):
    """Where clients tell what they find."""

    def put(self, finding: str) -> None:
        """Tell of a finding."""
        ...


@dataclass(frozen=True)
class Command:
    """A command, and what it means for the keys of its disk."""

    cdb: bytes
    data_out: bytes = b""


class Client:
    """One client, its disk, and what it knows of it.

    Args:
        number: Which one it is; its random numbers begin there.
        socket: The helper's.
        folder: Where its disk is made.
    """

    def __init__(self, number: int, socket: str, folder: Path) -> None:
        self._random = random.Random(number)
        self._socket = socket
        self._manager = PRManagerHelper(socket)
        self._disk = os.open(folder / f"disk{number}", os.O_RDWR | os.O_CREAT, 0o600)
        self._null = os.open(os.devnull, os.O_RDWR)
        self._unit = LogicalUnit(MemoryState())
        self._nexus = Nexus(transport_ids.parse(INITIATOR))
        self._key = 0

    def step(self) -> str:
        """Send a command, or connect anew; give what was wrong with the reply, or nothing."""
        chance = self._random.random()
        if chance < 0.01:
            self._manager.close()
            self._manager = PRManagerHelper(self._socket)
            return ""
        command = self._command()
        if chance < 0.3:
            fd, expected = self._null, _REJECTED
        else:
            fd = self._disk
            expected = self._unit.execute(self._nexus, command.cdb, command.data_out)
        got = self._manager.execute(fd, command.cdb, command.data_out)
        if _comparable(got) != _comparable(expected):
            lost = self._manager.last_error
            why = f" (connection lost: {lost})" if lost else ""
            return f"{command.cdb.hex()} {command.data_out.hex()}: {got}{why}, not {expected}"
        return self._misses_key(command, got) if fd == self._disk else ""

    def close(self) -> None:
        """Leave."""
        self._manager.close()
        os.close(self._disk)
        os.close(self._null)

    def _command(self) -> Command:
        choose = self._random
        if choose.random() < 0.4:
            action = choose.choice(list(InServiceAction))
            return Command(PersistentReserveIn(action, choose.choice(_LENGTHS)).encode())
        parameters = ParameterList(
            self._key if choose.random() < 0.8 else choose.choice(KEYS),
            choose.choice(KEYS),
            aptpl=choose.random() < 0.5,
        ).encode()
        if choose.random() < 0.02:
            parameters = parameters[: choose.randrange(24)]
        type_ = choose.choice([*ReservationType, 0])
        action = choose.choice(_OUT_ACTIONS)
        cdb = PersistentReserveOut(action, len(parameters), type=type_).encode()
        return Command(cdb, parameters)

    def _misses_key(self, command: Command, got: Completion) -> str:
        """Check, without the logical unit, that the key that was registered is the one that is."""
        if got.status != Status.GOOD:
            return ""
        action = command.cdb[1]
        if command.cdb[0] == PersistentReserveIn.opcode:
            if action != InServiceAction.READ_KEYS or len(got.data) < 8:
                return ""
            read = ReadKeys.decode(got.data)
            wanted = (self._key,) if self._key else ()
            if len(got.data) >= 16 and read.keys != wanted:
                return f"READ KEYS tells {read.keys}, not {wanted}"
            return ""
        new = int.from_bytes(command.data_out[8:16], "big")
        if action in (OutServiceAction.REGISTER, OutServiceAction.REGISTER_AND_IGNORE_EXISTING_KEY):
            self._key = new
        elif action == OutServiceAction.CLEAR:
            self._key = 0
        elif action in (OutServiceAction.PREEMPT, OutServiceAction.PREEMPT_AND_ABORT):
            self._key = self._unit_key()
        return ""

    def _unit_key(self) -> int:
        """Whoever preempts its own key may lose its registration."""
        cdb = PersistentReserveIn(InServiceAction.READ_KEYS, 8192).encode()
        keys = ReadKeys.decode(self._unit.execute(self._nexus, cdb).data).keys
        return keys[0] if keys else 0


def _comparable(completion: Completion) -> tuple[int, bytes, bytes]:
    return completion.status, completion.sense[:SENSE_SIZE], completion.data


def run(
    numbers: range,
    socket: str,
    folder: Path,
    running: Event,
    ended: Event,
    count: Callable[[int], None],
    report: Report,
) -> None:
    """Run clients, each in a thread, until `ended` is set.

    Args:
        numbers: Which ones.
        socket: The helper's.
        folder: For their disks.
        running: While it is not set, no client sends a further command.
        ended: Set when they are to leave; `running` is set then, too.
        count: Called with a client's number for each reply.
        report: Where to tell of what was wrong.
    """

    def live(number: int) -> None:
        try:
            client = Client(number, socket, folder)
            while running.wait() and not ended.is_set():
                if wrong := client.step():
                    report.put(f"client {number}: {wrong}")
                    return
                count(number)
            client.close()
        except (ConnectError, OSError) as error:
            report.put(f"client {number}: {error}")

    threads = [threading.Thread(target=live, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
