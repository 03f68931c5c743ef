"""Waiting for a condition, never for a time; and for how long, before it counts as a failure."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

SLOWNESS = 5
"""How many times as long all may take: so much slower was a machine that did other work as well."""

PATIENCE = 60.0 * SLOWNESS
"""Seconds to wait for anything; where nothing else is done, a fifth of it is long."""


def wait_for(condition: Callable[[], T | None], what: str | Callable[[], str]) -> T:
    """Wait until a condition gives something true, and return that.

    Args:
        condition: The condition.
        what: What is waited for; a function can tell how things are when the wait is over.

    Raises:
        TimeoutError: It did not within `PATIENCE`.
    """
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        if time.monotonic() > deadline:
            told = what if isinstance(what, str) else what()
            raise TimeoutError(f"waited {PATIENCE:g} s for {told}")
        time.sleep(0.05)
    return value


@contextmanager
def waiting_for(what: str, seconds: float) -> Iterator[None]:
    """Have a time-out of a socket say what was waited for.

    Args:
        what: What is waited for.
        seconds: The time-out that the socket has.
    """
    try:
        yield
    except TimeoutError as error:
        raise TimeoutError(f"waited {seconds:g} s for {what}") from error
