"""What a check is, and what came of it: one entry of the table in `qemu_pr.validate.checks`."""

from dataclasses import dataclass, field
from enum import StrEnum

from qemu_pr.scsi.status import Completion
from qemu_pr.validate.steps import Look, Step, Task, Who

TWO_NEXUSES = ("every-path", "register", "same-disk", "two-nexuses")
"""Without these, what two hosts send shows nothing."""


@dataclass(frozen=True, slots=True)
class Check:
    """A sequence of commands whose right answers SPC-4 tells.

    Attributes:
        name: What it is called, in the output and in the manual.
        what: What happens in it, if the disk is right.
        clause: Where SPC-4 says so.
        users: Who depends on it.
        without: What becomes of whoever depends on it, if the disk deviates.
        steps: What is sent.
        needs: The checks without which this one shows nothing.
        capabilities: The bits of REPORT CAPABILITIES that say whether a disk can do it.
        type: The reservation type that a disk must have for it.
        is_optional: A disk need not have it: ILLEGAL REQUEST says that it has not.
    """

    name: str
    what: str
    clause: str
    users: str
    without: str
    steps: tuple[Step, ...]
    needs: tuple[str, ...] = TWO_NEXUSES
    capabilities: tuple[str, ...] = ()
    type: int = 0
    is_optional: bool = False

    @property
    def senders(self) -> set[Who]:
        """Through which nexuses it sends."""
        return {step.who for step in self.steps}

    @property
    def on_medium(self) -> set[Who]:
        """Who reads or writes in it."""
        return {step.who for step in self.steps if step.action in (Task.READ, Task.WRITE)}

    @property
    def resets(self) -> bool:
        """Whether it resets the disk."""
        return any(step.action is Task.RESET for step in self.steps)

    @property
    def is_about_ports(self) -> bool:
        """Whether it takes the TransportIDs of the nexuses."""
        return any(step.ports or step.to for step in self.steps)

    @property
    def is_about_a_map(self) -> bool:
        """Whether it takes a multipath map."""
        return any(step.look is Look.PATHS for step in self.steps)


class Outcome(StrEnum):
    """What came of a check."""

    OK = "ok"
    DEVIATES = "deviates"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Played:
    """A step as it was sent and answered.

    Attributes:
        step: The step.
        cdb: The command.
        data_out: What went with it.
        got: The disk's answer.
        right: The right one.
        seconds: How long it took.
        reserved: Who holds the reservation then, and its type, if the disk is right.
        registered: Who is registered then, if the disk is right.
    """

    step: Step
    cdb: bytes
    data_out: bytes
    got: Completion
    right: Completion
    seconds: float
    reserved: tuple[Who, int] | None
    registered: frozenset[Who]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a check.

    Attributes:
        check: The check.
        outcome: In a word.
        what: How the disk deviates, or why the check was left out.
        is_slight: It deviates, but refused what it must refuse.
        steps: What was sent; up to the first deviation that is not slight.
        wrong: The number of the step that `what` tells of, if the disk deviates.
        notes: What is worth knowing beside.
    """

    check: Check
    outcome: Outcome
    what: str = ""
    is_slight: bool = False
    steps: tuple[Played, ...] = ()
    wrong: int | None = None
    notes: tuple[str, ...] = field(default=())
