"""Counters and latencies as a file for the node exporter of Prometheus, without a listening port.

The format is Prometheus' text format: one line a value. What the labels can be is bounded: by the
service actions of SPC-4 and the status codes of SAM-5; all else is "other".
"""

from __future__ import annotations

import mmap
import os
import time
from _bisect import bisect_left
from _thread import allocate_lock, start_new_thread
from itertools import accumulate, product

from qemu_pr import __version__
from qemu_pr.helper import StartError, keepers
from qemu_pr.helper.stop_signals import block_in_this_thread
from qemu_pr.scsi.commands import (
    PERSISTENT_RESERVE_IN,
    PERSISTENT_RESERVE_OUT,
    InServiceAction,
    OutServiceAction,
)
from qemu_pr.scsi.status import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from qemu_pr.helper.carry_out import CarriedOut
    from qemu_pr.helper.events import Events

METRICS = {
    "up": ("gauge", "1 while the helper runs, 0 once it has stopped."),
    "info": ("gauge", "Always 1; its label has the version."),
    "start_time_seconds": ("gauge", "When the helper started, in seconds since 1970."),
    "connections": ("gauge", "Connections that are open."),
    "connections_accepted_total": ("counter", "Connections that were taken."),
    "connections_refused_total": ("counter", "Connections of users that --allow-user leaves out."),
    "connections_broken_off_total": ("counter", "Connections closed for what the client did."),
    "commands_in_progress": ("gauge", "Commands that the disks have not answered yet."),
    "commands_total": ("counter", "Commands by service action and by the status they ended with."),
    "command_duration_seconds": ("histogram", "How long commands took, PERSISTENT RESERVE IN/OUT."),
}
"""The metrics without their common prefix ``qemu_pr_helper_``: type, and what they tell."""

BOUNDS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""The histogram's upper bounds, in seconds."""

_COMMANDS = {
    PERSISTENT_RESERVE_IN: ("PERSISTENT RESERVE IN", InServiceAction),
    PERSISTENT_RESERVE_OUT: ("PERSISTENT RESERVE OUT", OutServiceAction),
}
_ACTIONS = {
    opcode: {action.value: action.name.replace("_", " ") for action in actions}
    for opcode, (_, actions) in _COMMANDS.items()
}
_STATUSES = {status.value: status.name.replace("_", " ") for status in Status}
_OTHER = "other"
_PATIENCE = 1.0  # seconds
# Where others may write to the folder, too, a link of theirs must lead nowhere.
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW


_EVENTS = (
    "pr_helper_accept",
    "pr_helper_deny",
    "pr_helper_refuse",
    "pr_helper_close",
    "pr_helper_request",
)

_COMMAND_COLUMNS = sorted(
    (opcode, action, status)
    for opcode, actions in _ACTIONS.items()
    for action, status in product((*actions.values(), _OTHER), (*_STATUSES.values(), _OTHER))
)

# What is counted: commands, how many of them took up to each bound and above the last, all their
# seconds, and events. These come last: who reads replies before requests sees no reply too many.
_COLUMNS: tuple[object, ...] = (
    *_COMMAND_COLUMNS,
    *product(_COMMANDS, range(len(BOUNDS) + 1)),
    *product(_COMMANDS, ("seconds",)),
    *_EVENTS,
)
_COLUMN = {key: number for number, key in enumerate(_COLUMNS)}
_ROWS = 1 + keepers.COUNT


class Metrics:
    """What is counted, from the events that the helper reports. Safe in any thread.

    The processes that keep slow disks count, too: each in a row of its own, in memory that all of
    them see.

    Args:
        events: What reports; all that happens from now on is counted.
    """

    def __init__(self, events: Events) -> None:
        self._lock = allocate_lock()
        self._started = time.time()
        shared = mmap.mmap(-1, _ROWS * len(_COLUMNS) * 8)
        self._values = memoryview(shared).cast("d")
        self._row = 0  # where it begins
        for name in _EVENTS:
            events.listen(name, self._counter(name))
        events.listen("pr_helper_reply", self._count_command)

    def count_apart(self, number: int) -> None:
        """Count in a row that no other process uses, from now on.

        Args:
            number: This process' number, 1 to `keepers.COUNT`.
        """
        self._row = number * len(_COLUMNS)
        # Commands of a process that died with this number are not in progress any more.
        answered = sum(self._values[self._row + _COLUMN[key]] for key in _COMMAND_COLUMNS)
        self._values[self._row + _COLUMN["pr_helper_request"]] = answered

    def render(self, *, up: bool = True) -> str:
        """Give all of it in the text format.

        Args:
            up: Whether the helper goes on after this.
        """
        return "".join(f"{line}\n" for line in self._lines(up))

    def _counter(self, name: str) -> Callable[..., None]:
        column = _COLUMN[name]

        def count(*_values: object) -> None:
            with self._lock:
                self._values[self._row + column] += 1

        return count

    def _count_command(self, command: CarriedOut) -> None:
        opcode = command.request.cdb[0]
        action = _ACTIONS[opcode].get(command.request.cdb[1] & 0x1F, _OTHER)
        status = _STATUSES.get(command.completion.status, _OTHER)
        bucket = bisect_left(BOUNDS, command.seconds)
        with self._lock:
            self._values[self._row + _COLUMN[opcode, action, status]] += 1
            self._values[self._row + _COLUMN[opcode, bucket]] += 1
            self._values[self._row + _COLUMN[opcode, "seconds"]] += command.seconds

    def _lines(self, up: bool) -> Iterator[str]:
        with self._lock:
            values = self._values.tolist()
        sums = {key: sum(values[n :: len(_COLUMNS)]) for n, key in enumerate(_COLUMNS)}
        counts = {key: int(value) for key, value in sums.items()}
        accepted = counts["pr_helper_accept"]
        broken_off = counts["pr_helper_refuse"]
        yield from _samples("up", [("", int(up))])
        yield from _samples("info", [(f'{{version="{__version__}"}}', 1)])
        yield from _samples("start_time_seconds", [("", self._started)])
        ended = broken_off + counts["pr_helper_close"]
        yield from _samples("connections", [("", accepted - ended)])
        yield from _samples("connections_accepted_total", [("", accepted)])
        yield from _samples("connections_refused_total", [("", counts["pr_helper_deny"])])
        yield from _samples("connections_broken_off_total", [("", broken_off)])
        answered = [
            (
                f'{{command="{_COMMANDS[opcode][0]}",service_action="{action}",status="{status}"}}',
                counts[opcode, action, status],
            )
            for opcode, action, status in _COMMAND_COLUMNS
            if counts[opcode, action, status]
        ]
        in_progress = counts["pr_helper_request"] - sum(count for _, count in answered)
        yield from _samples("commands_in_progress", [("", in_progress)])
        yield from _samples("commands_total", answered)
        yield from _samples(
            "command_duration_seconds",
            [
                sample
                for opcode, (name, _) in _COMMANDS.items()
                for sample in _histogram(
                    name,
                    [counts[opcode, bucket] for bucket in range(len(BOUNDS) + 1)],
                    sums[opcode, "seconds"],
                )
            ],
        )


def _histogram(command: str, counts: list[int], total: float) -> Iterator[tuple[str, float]]:
    label = f'command="{command}"'
    bounds = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
    cumulative = list(accumulate(counts))
    for bound, count in zip(bounds, cumulative, strict=True):
        yield f'_bucket{{{label},le="{bound}"}}', count
    yield f"_sum{{{label}}}", total
    yield f"_count{{{label}}}", cumulative[-1]


def _samples(name: str, samples: Sequence[tuple[str, float]]) -> Iterator[str]:
    kind, text = METRICS[name]
    full = f"qemu_pr_helper_{name}"
    yield f"# HELP {full} {text}"
    yield f"# TYPE {full} {kind}"
    for suffix, value in samples:
        yield f"{full}{suffix} {value!r}"


class MetricsFile:
    """A file that has the metrics of some seconds ago, or of the end. It is never half written.

    Args:
        path: The file, absolute.
        interval: After how many seconds it is written anew.
        events: What is counted; told, too, when the file cannot be written.

    Raises:
        StartError: It cannot be written.

    Attributes:
        metrics: What it is written from.
    """

    def __init__(self, path: str, interval: float, events: Events) -> None:
        self._path = path
        self._interval = interval
        self._events = events
        self.metrics = Metrics(events)
        self._lock = allocate_lock()
        self._is_stopped = False
        self._has_failed = False
        try:
            self._replace(self.metrics.render())
        except OSError as error:
            raise StartError(f"cannot write metrics to '{path}': {error.strerror}") from None

    def start(self) -> None:
        """Write it anew from now on, in a thread of its own.

        Raises:
            StartError: The system gives this process no further thread.
        """
        try:
            start_new_thread(self._live, ())
        except RuntimeError:
            raise StartError("the system allows no further thread; see ulimit -u") from None

    def stop(self) -> None:
        """Write it for the last time, unless the last but one is still being written."""
        self._is_stopped = True
        if self._lock.acquire(timeout=_PATIENCE):
            self._write(up=False)

    def _live(self) -> None:
        block_in_this_thread()
        while not self._is_stopped:
            time.sleep(self._interval)
            with self._lock:
                if not self._is_stopped:
                    self._write(up=True)

    def _write(self, *, up: bool) -> None:
        try:
            self._replace(self.metrics.render(up=up))
            self._has_failed = False
        except OSError as error:
            if not self._has_failed:
                self._events("pr_helper_metrics_fail", self._path, error.strerror)
            self._has_failed = True

    def _replace(self, text: str) -> None:
        temporary = f"{self._path}.tmp"
        fd = os.open(temporary, _FLAGS, 0o644)
        try:
            os.fchmod(fd, 0o644)  # whatever the umask: another user reads it
            data = text.encode()
            while data:
                data = data[os.write(fd, data) :]
        finally:
            os.close(fd)
        os.rename(temporary, self._path)
