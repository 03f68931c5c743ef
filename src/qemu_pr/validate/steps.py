"""One command of a check, by whom it is sent, and how much of its answer is judged."""

from dataclasses import dataclass, replace
from enum import Enum, StrEnum

from qemu_pr.logical_unit import Nexus
from qemu_pr.protocol import MAX_DATA_SIZE
from qemu_pr.scsi.commands import (
    InServiceAction,
    OutServiceAction,
    PersistentReserveIn,
    PersistentReserveOut,
)
from qemu_pr.scsi.parameter_lists import ParameterList, RegisterAndMoveParameterList
from qemu_pr.validate.keys import Keys


class Who(StrEnum):
    """The two I_T nexuses, by the words of the command line."""

    DISK = "DISK"
    PEER = "PEER"


class Task(Enum):
    """What is sent beside PERSISTENT RESERVE commands."""

    READ = "read"
    WRITE = "write"
    RESET = "LOGICAL UNIT RESET"


class Look(Enum):
    """How much of an answer is judged."""

    ANSWER = "unit attentions are passed over; status, sense key and data count"
    REFUSAL = "as ANSWER, but any refusal is as good as another: SPC-4 and practice differ"
    ATTENTION = "the first answer counts, be it a unit attention or not, and its data does not"
    PATHS = "as many registrations count as the multipath map has paths"


@dataclass(frozen=True, slots=True)
class Step:
    """A command that somebody sends.

    Attributes:
        who: Through which nexus.
        action: The service action, or the task.
        key: RESERVATION KEY, as the number of a key in `keys.Keys`; 0 is no key.
        named: SERVICE ACTION RESERVATION KEY, likewise.
        type: The reservation's type.
        aptpl: Activate persist through power loss.
        all_tg_pt: Register through all target ports.
        ports: With SPEC_I_PT, whose initiator ports are registered, too.
        to: With REGISTER AND MOVE, whose the reservation becomes.
        unreg: With REGISTER AND MOVE, unregister the sender.
        missing: How many bytes the parameter list is too short.
        look: How much of the answer is judged.
    """

    who: Who
    action: InServiceAction | OutServiceAction | Task
    key: int = 0
    named: int = 0
    type: int = 0
    aptpl: bool = False
    all_tg_pt: bool = False
    ports: tuple[Who, ...] | None = None
    to: Who | None = None
    unreg: bool = False
    missing: int = 0
    look: Look = Look.ANSWER

    @property
    def refused(self) -> "Step":
        """The same step; if it is to be refused, it does not matter how."""
        return replace(self, look=Look.REFUSAL)

    @property
    def at_once(self) -> "Step":
        """The same step, whose first answer counts."""
        return replace(self, look=Look.ATTENTION)

    @property
    def on_every_path(self) -> "Step":
        """The same step, which is to tell the sender's key once for each path of its map."""
        return replace(self, look=Look.PATHS)

    @property
    def words(self) -> str:
        """What is sent, in an operator's words."""
        if isinstance(self.action, Task):
            return self.action.value
        name = self.action.name.replace("_", " ")
        if isinstance(self.action, InServiceAction):
            return name
        details = {
            "type": self.type,
            "own key": self.key and f"K{self.key}",
            "key": self.named and f"K{self.named}",
            "for": " and ".join(self.ports or ()),
            "to": self.to,
        }
        flags = {
            "APTPL": self.aptpl,
            "ALL_TG_PT": self.all_tg_pt,
            "UNREG": self.unreg,
            "to unregister": self.removes,
        }
        told = [f"{name} {value}" for name, value in details.items() if value]
        told += [flag for flag, is_set in flags.items() if is_set]
        return f"{name} ({', '.join(told)})" if told else name

    @property
    def removes(self) -> bool:
        """Whether it removes the sender's registration."""
        return (
            self.action
            in (OutServiceAction.REGISTER, OutServiceAction.REGISTER_AND_IGNORE_EXISTING_KEY)
            and self.named == 0
        )

    @property
    def is_for_all(self) -> bool:
        """Whether it may take away what another program registered after the check began."""
        return self.action in (
            OutServiceAction.CLEAR,
            OutServiceAction.REGISTER_AND_IGNORE_EXISTING_KEY,
        ) or (
            self.action in (OutServiceAction.PREEMPT, OutServiceAction.PREEMPT_AND_ABORT)
            and self.named == 0
        )

    def command(self, keys: Keys, nexuses: "Nexuses") -> tuple[bytes, bytes]:
        """Give the CDB and the parameter list.

        Args:
            keys: The keys of this run.
            nexuses: Who the nexuses are.
        """
        if isinstance(self.action, InServiceAction):
            return PersistentReserveIn(self.action, MAX_DATA_SIZE).encode(), b""
        if isinstance(self.action, Task):
            raise TypeError(f"{self.action}: no PERSISTENT RESERVE command")
        own, named = keys[self.key], keys[self.named]
        if self.to is not None:
            heir = nexuses[self.to]
            data = RegisterAndMoveParameterList(
                own, named, heir.target_port, heir.initiator, self.unreg, self.aptpl
            ).encode()
        else:
            ports = None
            if self.ports is not None:
                ports = tuple(nexuses[who].initiator for who in self.ports)
            data = ParameterList(own, named, self.aptpl, self.all_tg_pt, ports).encode()
        data = data[: len(data) - self.missing]
        return PersistentReserveOut(self.action, len(data), type=self.type).encode(), data


Nexuses = dict[Who, Nexus]
"""Who the nexuses are to the disk."""


class Sender:
    """Makes the steps of one nexus, so that a check reads as what is sent."""

    def __init__(self, who: Who) -> None:
        self.who = who

    def register(self, key: int, named: int, **more: bool | tuple[Who, ...]) -> Step:
        """REGISTER."""
        return Step(self.who, OutServiceAction.REGISTER, key, named, **more)  # type: ignore[arg-type]

    def ignore(self, named: int, *, aptpl: bool = False) -> Step:
        """REGISTER AND IGNORE EXISTING KEY."""
        action = OutServiceAction.REGISTER_AND_IGNORE_EXISTING_KEY
        return Step(self.who, action, 0, named, aptpl=aptpl)

    def reserve(self, key: int, type_: int) -> Step:
        """RESERVE."""
        return Step(self.who, OutServiceAction.RESERVE, key, type=type_)

    def release(self, key: int, type_: int) -> Step:
        """RELEASE."""
        return Step(self.who, OutServiceAction.RELEASE, key, type=type_)

    def clear(self, key: int) -> Step:
        """CLEAR."""
        return Step(self.who, OutServiceAction.CLEAR, key)

    def preempt(self, key: int, named: int, type_: int) -> Step:
        """PREEMPT."""
        return Step(self.who, OutServiceAction.PREEMPT, key, named, type_)

    def preempt_and_abort(self, key: int, named: int, type_: int) -> Step:
        """PREEMPT AND ABORT."""
        return Step(self.who, OutServiceAction.PREEMPT_AND_ABORT, key, named, type_)

    def move(self, key: int, named: int, to: Who, type_: int, *, unreg: bool) -> Step:
        """REGISTER AND MOVE."""
        action = OutServiceAction.REGISTER_AND_MOVE
        return Step(self.who, action, key, named, type_, to=to, unreg=unreg)

    def keys(self) -> Step:
        """READ KEYS."""
        return Step(self.who, InServiceAction.READ_KEYS)

    def reservation(self) -> Step:
        """READ RESERVATION."""
        return Step(self.who, InServiceAction.READ_RESERVATION)

    def full_status(self) -> Step:
        """READ FULL STATUS."""
        return Step(self.who, InServiceAction.READ_FULL_STATUS)

    def capabilities(self) -> Step:
        """REPORT CAPABILITIES."""
        return Step(self.who, InServiceAction.REPORT_CAPABILITIES)

    def read(self) -> Step:
        """Read the medium."""
        return Step(self.who, Task.READ)

    def write(self) -> Step:
        """Write to the medium."""
        return Step(self.who, Task.WRITE)

    def reset(self) -> Step:
        """Reset the logical unit."""
        return Step(self.who, Task.RESET)
