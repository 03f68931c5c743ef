"""Which thread polls: the one that holds the baton. Another stands by to take it over.

A thread that polls for commands and carries them out itself is the fastest there is, until a disk
keeps it in the kernel: then every other client would wait with it. So the polling thread lays the
baton down before each command, and picks it up behind it. If it is away for long, the standby has
taken the baton in the meantime, and polls.

Both ends are one operation on a lock that nobody waits for, so they cost no system call. The
standby looks after the polling thread every `HELD_UP` seconds, and sleeps while nothing happens.
"""

from _thread import LockType, allocate_lock
from time import monotonic

HELD_UP = 0.01
"""After how many seconds a laid down baton is taken over."""

SWITCH = 50e-6
"""Seconds until a thread that came back from its disk gets the interpreter's lock."""


class Baton:
    """One thread holds it or has laid it down, another one may `wait` for it.

    Attributes:
        laid_down_at: The last time that was done, by the monotonic clock.
    """

    def __init__(self) -> None:
        self._lock = (
            _locked()
        )  # free while the baton is laid down; whoever takes it makes a new one
        self._passed_on = True  # to the first who waits
        self.laid_down_at = 0.0
        self._bell = _locked()  # free: it rings
        self._sleeping = False

    def wait(self) -> LockType | None:
        """Stand by until the baton is passed on, or laid down for long; then hold it.

        Returns:
            In the second case, the baton that was laid down, to be released: the thread that comes
            to pick it up waits for that.
        """
        while not self._passed_on:
            if self._is_watched():
                self._bell.acquire(timeout=HELD_UP)
            elif self._lock.acquire(blocking=False):
                taken, self._lock = self._lock, _locked()
                return taken
            else:  # nothing happens, so there is nothing to look after
                self._sleeping = True
                if not self._is_watched():  # or it began before it could know that we sleep
                    self._bell.acquire()
                self._sleeping = False
        self._passed_on = False
        return None

    def lay_down(self) -> LockType:
        """Let go of the baton for a moment; give what to `pick_up` then."""
        self.laid_down_at = monotonic()
        if self._sleeping:
            self._ring()
        laid_down = self._lock
        laid_down.release()
        return laid_down

    def pick_up(self, laid_down: LockType) -> bool:
        """Hold the baton again; False if somebody else holds one in its place."""
        laid_down.acquire()
        return laid_down is self._lock

    def pass_on(self) -> None:
        """Give the baton to the one who stands by."""
        self._passed_on = True
        self._ring()

    def _is_watched(self) -> bool:
        return monotonic() - self.laid_down_at < HELD_UP

    def _ring(self) -> None:
        if self._bell.locked():
            try:
                self._bell.release()
            except RuntimeError:  # it rings already: who held the baton before rang, too
                pass


def _locked() -> LockType:
    lock = allocate_lock()
    lock.acquire()
    return lock
