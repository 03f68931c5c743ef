"""Do things in forked processes, and get what they come to: nothing else of them comes back."""

import ctypes
import os
import pickle
import select
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn, TypeVar

K = TypeVar("K")
T = TypeVar("T")

_PR_SET_PDEATHSIG = 1  # prctl(2)


class ChildError(RuntimeError):
    """The process ended without a result; it has printed why."""


def in_child(work: Callable[[], T]) -> T:
    """Do something in a forked process, which does not outlive this one.

    Args:
        work: What to do. Its result is pickled.

    Raises:
        OSError: The work raised it.
        ChildError: The work raised something else, or ended its process.
    """
    ((_, result),) = in_children({None: work}, at_once=1)
    return result


def in_children(works: Mapping[K, Callable[[], T]], at_once: int) -> Iterator[tuple[K, T]]:
    """Do several things, each in a forked process, some of them at the same time.

    One thread does it all: a fork beside threads could inherit a lock that nobody releases.

    Args:
        works: What to do, by name.
        at_once: How many processes there may be.

    Yields:
        The name and the result of each, as it is done.

    Raises:
        OSError: One of them raised it; the others are ended.
        ChildError: One of them raised something else, or ended its process.
    """
    waiting = list(works.items())
    running: dict[int, tuple[K, int, list[bytes]]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                name, work = waiting.pop(0)
                child, pipe = _start(work)
                running[pipe] = name, child, []
            for pipe in select.select(list(running), [], [])[0]:
                name, child, pieces = running[pipe]
                if piece := os.read(pipe, 1 << 16):
                    pieces.append(piece)
                    continue
                del running[pipe]
                os.close(pipe)
                os.waitpid(child, 0)
                yield name, _result(b"".join(pieces))
    finally:
        for pipe, (_, child, _) in running.items():
            os.kill(child, signal.SIGKILL)
            os.close(pipe)
            os.waitpid(child, 0)


def _start(work: Callable[[], object]) -> tuple[int, int]:
    """Fork a process that does something; give its ID, and the pipe that its result comes by."""
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _be_child(work, writing)
    os.close(writing)
    return child, reading


def _result(answer: bytes) -> Any:
    if not answer:
        raise ChildError("a process that verifies examples ended before it was done")
    result = pickle.loads(answer)
    if isinstance(result, OSError):
        raise result
    return result


def _be_child(work: Callable[[], object], writing: int) -> NoReturn:
    status = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        try:
            result = work()
        except OSError as error:
            result = error
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(result, pipe)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
