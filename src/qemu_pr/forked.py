"""A process that was forked to serve the one that forked it."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from typing import NoReturn
else:
    import _signal as signal  # without enum


def end_with(life: Callable[[], None]) -> NoReturn:
    """End this process with a function: nothing of its parent's may run in it.

    Stop signals are ignored from now on: whoever stops the helper signals all of its processes, and
    the first one tells the others.

    Args:
        life: The function; the exit status is 0 if it returns, else 1.
    """
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # none is waited for
        life()
        status = 0
    finally:
        os._exit(status)
