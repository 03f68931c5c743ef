"""Processes that are forked to serve the one that forked them."""

import ctypes
import os
import signal
from collections.abc import Callable

_PR_SET_NAME = 15  # <linux/prctl.h>
_libc = ctypes.CDLL(None)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def fork(name: str, life: Callable[[], int]) -> int:
    """Fork a process that lives by a function and ends with it. One thread only.

    It ignores stop signals: whoever stops the helper may signal all of its processes, and the first
    one tells the others.

    Args:
        name: What ps(1) calls it, at most 15 bytes.
        life: The function; it gives the exit status, which is 1 if it raises an exception.

    Returns:
        The process ID. It stays valid: nobody waits for the process before this one ends.

    Raises:
        OSError: The system refuses another process.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # until the new one can ignore them
    try:
        process = os.fork()
        if process == 0:
            _live(name, life)
        return process
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def _live(name: str, life: Callable[[], int]) -> None:
    """End this process with a function: nothing of its parent's may run in it."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        call_this_process(name)
        status = life()
    finally:
        os._exit(status)


def call_this_process(name: str) -> None:
    """Have ps(1) call this process by a name of at most 15 bytes."""
    _libc.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)
