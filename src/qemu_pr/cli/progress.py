"""Says on a terminal what is being waited for, once that takes longer than a second."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 1.0
"""Seconds before anything is said, and between two times."""

_CLEAR = "\r\033[K"


class Progress:
    """A line on stderr, which tells what is being done and for how long.

    It is for people who wait: nothing is written where stderr is no terminal.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._what = ""
        self._since = 0.0
        self._is_shown = False
        self._end = threading.Event()

    def __call__(self, what: str) -> None:
        """Say what begins now; nothing, before something else is written on the terminal."""
        with self._lock:
            self._clear()
            self._what = what
            self._since = time.monotonic()

    def run(self) -> None:
        """Show the line again and again, until `end`."""
        while not self._end.wait(PATIENCE):
            with self._lock:
                self._draw()

    def update(self, what: str) -> None:
        """Say how far the same thing is; for processes that fork, and so have no other thread."""
        with self._lock:
            self._what = what
            if sys.stderr.isatty():
                self._draw()

    def end(self) -> None:
        """Say nothing any more."""
        self._end.set()
        self("")

    def _draw(self) -> None:
        seconds = time.monotonic() - self._since
        if self._what and seconds >= PATIENCE:
            sys.stderr.write(f"{_CLEAR}{self._what}: {seconds:.0f} s")
            sys.stderr.flush()
            self._is_shown = True

    def _clear(self) -> None:
        if self._is_shown:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()
            self._is_shown = False


@contextmanager
def progress(what: str = "") -> Iterator[Progress]:
    """Show progress to people until the block ends.

    Args:
        what: What is being done; call what the block gets to say something else.
    """
    shown = Progress()
    shown(what)
    thread = threading.Thread(target=shown.run, daemon=True) if sys.stderr.isatty() else None
    if thread:
        thread.start()
    try:
        yield shown
    finally:
        shown.end()
        if thread:
            thread.join()
