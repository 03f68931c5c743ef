"""Counters and latencies as a file for the node exporter of Prometheus, without a listening port.

The format is Prometheus' text format: one line a value. What the labels can be is bounded: by the
service actions of SPC-4 and the status codes of SAM-5; all else is "other".
"""

import os
import time
from _thread import allocate_lock, start_new_thread
from collections import Counter
from collections.abc import Iterator, Sequence
from enum import IntEnum
from itertools import accumulate

from qemu_pr import __version__
from qemu_pr.helper import StartError
from qemu_pr.helper.counters import (
    BOUNDS,
    OPCODES,
    SERVICE_ACTIONS,
    STATUSES,
    Counters,
    Counts,
)
from qemu_pr.helper.events import Events
from qemu_pr.scsi.commands import (
    PERSISTENT_RESERVE_IN,
    PERSISTENT_RESERVE_OUT,
    InServiceAction,
    OutServiceAction,
)
from qemu_pr.scsi.status import Status

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

_COMMANDS: dict[int, tuple[str, type[IntEnum]]] = {
    PERSISTENT_RESERVE_IN: ("PERSISTENT RESERVE IN", InServiceAction),
    PERSISTENT_RESERVE_OUT: ("PERSISTENT RESERVE OUT", OutServiceAction),
}
_STATUSES = {status.value: status.name.replace("_", " ") for status in Status}
_OTHER = "other"
_PATIENCE = 1.0  # seconds
# Nobody's file is written to: not through a link, nor one that somebody has put there.
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def render(counts: Counts, started: float, *, up: bool = True) -> str:
    """Give all metrics in the text format.

    Args:
        counts: The numbers.
        started: When the helper started, in seconds since 1970.
        up: Whether the helper goes on after this.
    """
    return "".join(f"{line}\n" for line in _lines(counts, started, up))


def _lines(counts: Counts, started: float, up: bool) -> Iterator[str]:
    accepted, broken_off = counts.event("accept"), counts.event("refuse")
    ended = broken_off + counts.event("close")
    answered = [
        (f'{{command="{command}",service_action="{action}",status="{status}"}}', count)
        for kind, opcode in enumerate(OPCODES)
        for command, actions in (_COMMANDS[opcode],)
        for (action, status), count in sorted(_by_name(counts, kind, actions).items())
    ]
    in_progress = counts.event("request") - sum(count for _, count in answered)
    yield from _samples("up", [("", int(up))])
    yield from _samples("info", [(f'{{version="{__version__}"}}', 1)])
    yield from _samples("start_time_seconds", [("", started)])
    yield from _samples("connections", [("", accepted - ended)])
    yield from _samples("connections_accepted_total", [("", accepted)])
    yield from _samples("connections_refused_total", [("", counts.event("deny"))])
    yield from _samples("connections_broken_off_total", [("", broken_off)])
    yield from _samples("commands_in_progress", [("", in_progress)])
    yield from _samples("commands_total", answered)
    yield from _samples(
        "command_duration_seconds",
        [
            sample
            for kind, opcode in enumerate(OPCODES)
            for sample in _histogram(
                _COMMANDS[opcode][0], counts.buckets(kind), counts.seconds(kind)
            )
        ],
    )


def _by_name(counts: Counts, kind: int, actions: type[IntEnum]) -> Counter[tuple[str, str]]:
    """Give how many commands ended how, by the names of the standard; without zeros."""
    names = {action.value: action.name.replace("_", " ") for action in actions}
    found: Counter[tuple[str, str]] = Counter()
    for action in range(SERVICE_ACTIONS):
        for status in range(STATUSES):
            if count := counts.commands(kind, action, status):
                found[names.get(action, _OTHER), _STATUSES.get(status, _OTHER)] += count
    return found


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
        counters: What it is written from.
        events: Where to report that it cannot be written.

    Raises:
        StartError: It cannot be written.
    """

    def __init__(self, path: str, interval: float, counters: Counters, events: Events) -> None:
        self._path = path
        self._interval = interval
        self._counters = counters
        self._events = events
        self._started = time.time()
        self._lock = allocate_lock()
        self._is_stopped = False
        self._has_failed = False
        try:
            self._replace(up=True)
        except OSError as error:
            raise StartError(f"cannot write metrics to '{path}': {error.strerror}") from None

    def start(self) -> None:
        """Write it anew from now on, in a thread of its own.

        Raises:
            RuntimeError: The system gives this process no further thread.
        """
        start_new_thread(self._live, ())

    def stop(self) -> None:
        """Write it for the last time, unless the last but one is still being written."""
        self._is_stopped = True
        if self._lock.acquire(timeout=_PATIENCE):
            self._write(up=False)

    def _live(self) -> None:
        while not self._is_stopped:
            time.sleep(self._interval)
            with self._lock:
                if not self._is_stopped:
                    self._write(up=True)

    def _write(self, *, up: bool) -> None:
        try:
            self._replace(up=up)
            self._has_failed = False
        except OSError as error:
            if not self._has_failed:
                self._events("pr_helper_metrics_fail", self._path, error.strerror)
            self._has_failed = True

    def _replace(self, *, up: bool) -> None:
        text = render(self._counters.read(), self._started, up=up)
        temporary = f"{self._path}.tmp"
        try:
            fd = os.open(temporary, _FLAGS, 0o644)
        except FileExistsError:  # of a helper that was killed, or put there by somebody
            os.unlink(temporary)
            fd = os.open(temporary, _FLAGS, 0o644)
        try:
            os.fchmod(fd, 0o644)  # whatever the umask: another user reads it
            data = text.encode()
            while data:
                data = data[os.write(fd, data) :]
        finally:
            os.close(fd)
        os.rename(temporary, self._path)
