"""Ctrl-C and SIGTERM end an examination between two commands, so that its keys can be removed."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ended_by_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C end the program as SIGTERM does, without an exception, for the length of a with.

    An exception could be raised anywhere, also in what SQLite calls for a simulated disk.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Interrupted(Exception):  # noqa: N818 - it is no error
    """Somebody wants the examination to end.

    Attributes:
        number: The signal's.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Interruption:
    """Notes signals for the length of a ``with``; a second one ends the program at once."""

    def __init__(self) -> None:
        self._number = 0
        self._before: dict[int, Any] = {}

    def check(self) -> None:
        """Raise `Interrupted` if a signal came."""
        if self._number:
            raise Interrupted(self._number)

    def __enter__(self) -> "Interruption":
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self._number:
            message = "qemu-pr: validate: ended at once; run it again, which removes what is left\n"
            os.write(sys.stderr.fileno(), message.encode())
            os._exit(128 + number)
        self._number = number
        message = "qemu-pr: validate: ending, and taking the keys away; once more: at once\n"
        os.write(sys.stderr.fileno(), message.encode())
