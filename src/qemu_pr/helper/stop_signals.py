"""SIGTERM, SIGINT and SIGHUP as something that can be polled."""

from __future__ import annotations

import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # without enum

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_WAKE = b"\0"  # no signal has the number 0


class StopSignals:
    """From its creation on, the stop signals only count up here. One a process, main thread."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poller = select.poll()
        self._poller.register(self._reader, select.POLLIN)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            signal.signal(number, _ignore)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    def fileno(self) -> int:
        """The descriptor that is readable when there is something to `wait` for."""
        return self._reader

    def wake(self) -> None:
        """End a `wait` without a signal. Safe in any thread."""
        try:
            os.write(self._writer, _WAKE)
        except BlockingIOError:  # the pipe is full: readable it is
            pass

    def wait(self, timeout: int | None = None) -> int:
        """Wait for a signal, or for another thread that calls `wake`.

        Args:
            timeout: Milliseconds; None waits as long as it takes.

        Returns:
            How many stop signals came since the last call.
        """
        if not self._poller.poll(timeout):
            return 0
        return len(os.read(self._reader, 4096).replace(_WAKE, b""))


def block_in_this_thread() -> None:
    """Leave the stop signals to the main thread: they must not interrupt an ioctl."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def allow_in_this_thread() -> None:
    """End that; those that came meanwhile come now."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def _ignore(_signal: int, _frame: object) -> None:
    """Only the byte that Python writes into the pipe counts."""
