"""Do something in a forked process, and get what it comes to: nothing else of it comes back."""

import ctypes
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn, TypeVar

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
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _be_child(work, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    if not answer:
        raise ChildError("a process that verifies examples ended before it was done")
    result: T | OSError = pickle.loads(answer)
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
