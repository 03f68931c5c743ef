"""What is counted while clients are served, in memory that the process which renders it shares.

To count takes a lock and an addition, so whoever serves clients knows nothing of files, names and
formats: `qemu_pr.helper.metrics` gives the numbers those.
"""

import mmap
from _thread import allocate_lock
from bisect import bisect_left
from collections.abc import Callable

from qemu_pr.helper.carry_out import CarriedOut
from qemu_pr.helper.events import Events
from qemu_pr.scsi.opcodes import PERSISTENT_RESERVE_IN, PERSISTENT_RESERVE_OUT

OPCODES = (PERSISTENT_RESERVE_IN, PERSISTENT_RESERVE_OUT)
SERVICE_ACTIONS = 32  # SERVICE ACTION has 5 bits
STATUSES = 256

BOUNDS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""The histogram's upper bounds, in seconds."""

# Requests come last: who reads replies before requests sees no reply too many.
EVENTS = ("accept", "deny", "refuse", "close", "request")

# Where each kind of number begins: commands by operation code, service action and status; how many
# of them took up to each bound, and longer; all their nanoseconds; events.
_COMMANDS = 0
_BUCKETS = _COMMANDS + len(OPCODES) * SERVICE_ACTIONS * STATUSES
_NANOSECONDS = _BUCKETS + len(OPCODES) * (len(BOUNDS) + 1)
_EVENTS = _NANOSECONDS + len(OPCODES)
_SIZE = _EVENTS + len(EVENTS)


class Counters:
    """All that the helper reports from now on, counted by one process and read by another.

    Args:
        events: What reports.
    """

    def __init__(self, events: Events) -> None:
        self._cells = memoryview(mmap.mmap(-1, _SIZE * 8)).cast("q")
        self._lock = allocate_lock()
        for number, name in enumerate(EVENTS):
            events.listen(f"pr_helper_{name}", self._counter(_EVENTS + number))
        events.listen("pr_helper_reply", self._count_command)

    def read(self) -> "Counts":
        """Give the numbers of this moment."""
        return Counts(self._cells.tolist())

    def _counter(self, cell: int) -> Callable[..., None]:
        def count(*_values: object) -> None:
            with self._lock:
                self._cells[cell] += 1

        return count

    def _count_command(self, command: CarriedOut) -> None:
        opcode, action = command.request.cdb[:2]
        kind = OPCODES.index(opcode)
        bucket = bisect_left(BOUNDS, command.seconds)
        with self._lock:
            self._cells[_command(kind, action % SERVICE_ACTIONS, command.completion.status)] += 1
            self._cells[_bucket(kind, bucket)] += 1
            self._cells[_NANOSECONDS + kind] += round(command.seconds * 1e9)


class Counts:
    """The numbers of a moment.

    Args:
        cells: All of them.
    """

    def __init__(self, cells: list[int]) -> None:
        self._cells = cells

    def event(self, name: str) -> int:
        """How often an event of `EVENTS` was reported."""
        return self._cells[_EVENTS + EVENTS.index(name)]

    def commands(self, kind: int, action: int, status: int) -> int:
        """How many commands ended so; ``kind`` is the place of the operation code in `OPCODES`."""
        return self._cells[_command(kind, action, status)]

    def buckets(self, kind: int) -> list[int]:
        """How many commands took up to each bound but longer than the one before, and longer."""
        return self._cells[_bucket(kind, 0) : _bucket(kind, len(BOUNDS) + 1)]

    def seconds(self, kind: int) -> float:
        """How long all commands took together."""
        return self._cells[_NANOSECONDS + kind] / 1e9


def _command(kind: int, action: int, status: int) -> int:
    return _COMMANDS + (kind * SERVICE_ACTIONS + action) * STATUSES + status


def _bucket(kind: int, bucket: int) -> int:
    return _BUCKETS + kind * (len(BOUNDS) + 1) + bucket
