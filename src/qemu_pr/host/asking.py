"""Asking many disks at a time, each in a process of its own: one that hangs holds up no other.

Opening a disk can block for ever, as sending a command can, and no signal ends that. So whoever
asks is left behind after a while; the kernel ends it when it can.
"""

import json
import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

LIMIT = 10.0
"""Seconds that a disk has for its answers; an ordinary one needs some thousandths."""

AT_A_TIME = 16

_PATIENCE = 0.5  # seconds between two looks at the clock
_Job = TypeVar("_Job")


def ask_each(
    jobs: Sequence[_Job],
    ask: Callable[[_Job], Any],
    wait: Callable[[int], None] = lambda _answered: None,
    limit: float = LIMIT,
) -> dict[int, Any]:
    """Ask all disks. To be called while this process has one thread only.

    Args:
        jobs: What to call `ask` with.
        ask: Called in another process; it gives something that `json` can write.
        wait: Called now and then, with how many have answered.
        limit: Seconds that each has.

    Returns:
        The answers by the number of the job. One that hangs, or whose process crashed, has none.
    """
    answers: dict[int, Any] = {}
    waiting = iter(enumerate(jobs))
    running: dict[int, _Running] = {}
    poller = select.poll()
    done = 0
    while True:
        for number, job in _take(waiting, AT_A_TIME - len(running)):
            one = _Running(number, _start(job, ask), limit)
            running[one.fd] = one
            poller.register(one.fd, select.POLLIN)
        if not running:
            return answers
        for fd, _event in poller.poll(_PATIENCE * 1000):
            running[fd].read()
        for one in [one for one in running.values() if one.is_over]:
            poller.unregister(one.fd)
            del running[one.fd]
            done += 1
            if (answer := one.end()) is not None:
                answers[one.number] = answer
        wait(done)


def _take(jobs: Iterator[tuple[int, _Job]], count: int) -> Iterator[tuple[int, _Job]]:
    for _ in range(count):
        if (job := next(jobs, None)) is None:
            return
        yield job


class _Running:
    """A process that asks."""

    def __init__(self, number: int, started: tuple[int, int], limit: float) -> None:
        self.number = number
        self._pid, self.fd = started
        self._until = time.monotonic() + limit
        self._answer = b""
        self._has_ended = False

    def read(self) -> None:
        piece = os.read(self.fd, 1 << 16)
        self._answer += piece
        self._has_ended = not piece

    @property
    def is_over(self) -> bool:
        return self._has_ended or time.monotonic() > self._until

    def end(self) -> Any:
        """Let go of it; give its answer, None without one."""
        os.close(self.fd)
        if not self._has_ended:
            os.kill(self._pid, signal.SIGKILL)
        # One that hangs does not end yet: it is not waited for.
        os.waitpid(self._pid, 0 if self._has_ended else os.WNOHANG)
        try:
            return json.loads(self._answer)
        except ValueError:
            return None


def _start(job: _Job, ask: Callable[[_Job], Any]) -> tuple[int, int]:
    """Fork; give the process ID, and the descriptor that the answer can be read from."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _live(job, ask, writer)
    os.close(writer)
    return pid, reader


def _live(job: _Job, ask: Callable[[_Job], Any], writer: int) -> None:
    """Ask, answer and end; whoever reads this program's output must not wait for a disk."""
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in range(3):
            os.dup2(nothing, fd)
        with open(writer, "w") as answer:
            json.dump(ask(job), answer)
    finally:
        os._exit(0)
