"""What a check is, and what it has to say: one entry of the table in `qemu_pr.doctor.checks`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from qemu_pr.doctor.host import Host


class Outcome(StrEnum):
    """How something that was looked at is."""

    OK = "ok"
    WARNING = "warning"
    """Reservations work now, but something will harm them."""
    FAILURE = "failure"
    """Reservations do not work."""
    UNKNOWN = "unknown"
    """It could not be looked at."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a check has to say of one thing.

    Attributes:
        outcome: How it is.
        subject: The thing: a socket, a disk, a process, a file.
        what: What was found, or why it could not be looked at.
        advice: What to do; empty if nothing.
    """

    outcome: Outcome
    subject: str
    what: str
    advice: str = ""


def ok(subject: str, what: str) -> Result:
    """Say that all is well."""
    return Result(Outcome.OK, subject, what)


def warning(subject: str, what: str, advice: str) -> Result:
    """Say that something will harm reservations."""
    return Result(Outcome.WARNING, subject, what, advice)


def failure(subject: str, what: str, advice: str) -> Result:
    """Say that reservations do not work."""
    return Result(Outcome.FAILURE, subject, what, advice)


def unknown(subject: str, what: str, advice: str) -> Result:
    """Say that something could not be looked at."""
    return Result(Outcome.UNKNOWN, subject, what, advice)


@dataclass(frozen=True, slots=True)
class Check:
    """A question about the host.

    Attributes:
        name: What it is called, in the output and in the manual.
        asks: What it looks at, for the manual.
        examine: Answers it, once for each thing that it is about.
        applies: Tells whether there is anything that it is about.
    """

    name: str
    asks: str
    examine: Callable[[Host], Iterator[Result]]
    applies: Callable[[Host], bool] = lambda _host: True
