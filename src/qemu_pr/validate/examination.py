"""Runs checks on a disk, and leaves nothing of them there."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from qemu_pr.logical_unit import Nexus
from qemu_pr.scsi import transport_ids
from qemu_pr.scsi.commands import InServiceAction, OutServiceAction, ReservationType
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.parameter_data import ReadFullStatus, ReadKeys, ReportCapabilities
from qemu_pr.scsi.sense_codes import sense_of
from qemu_pr.scsi.sense_keys import SenseKey
from qemu_pr.scsi.status import GOOD, Completion, Status
from qemu_pr.validate.check import Check, Outcome, Played, Result
from qemu_pr.validate.cleaning import clean
from qemu_pr.validate.commands import ask, patiently, read_keys, reserve_out
from qemu_pr.validate.judging import Deviation, Ports, judge, outcome
from qemu_pr.validate.keys import Keys
from qemu_pr.validate.medium import Medium, carried_out, find_medium
from qemu_pr.validate.oracle import Oracle
from qemu_pr.validate.steps import Look, Nexuses, Step, Task, Who
from qemu_pr.validate.ways import LostError, NotPossibleError, Way

NO_PEER = "there is no PEER"
"""Why a check of two nexuses was left out where there is one."""


class OthersError(Exception):
    """Another program registered with the disk while it was examined; the text says which key."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What the operator asked for.

    Attributes:
        skip: Names of checks to leave out.
        write_test: Write for real, what was read.
        reset: Whether the disk may be reset.
    """

    skip: frozenset[str] = frozenset()
    write_test: bool = False
    reset: bool = True


@dataclass
class Examination:
    """A disk that checks are run on.

    Attributes:
        ways: The ways to it; without a peer, one.
        keys: The keys of this run.
        choice: What the operator asked for.
        may_go_on: Called between two commands; raises what ends the examination.
        paths: How many paths the multipath map has that a way leads to, if it does.
        ports: Who the nexuses are to the disk, once that is known.
        capabilities: What the disk says that it can do; None if it does not.
        medium: How each way reads and writes.
    """

    ways: Mapping[Who, Way]
    keys: Keys
    choice: Choice = Choice()
    may_go_on: Callable[[], None] = lambda: None
    paths: Mapping[Who, int] = field(default_factory=dict)
    ports: Ports = field(default_factory=Ports)
    capabilities: ReportCapabilities | None = None
    medium: dict[Who, Medium | str] = field(default_factory=dict)
    _results: dict[str, Result] = field(default_factory=dict)

    def prepare(self) -> None:
        """Ask for what the disk can do, and how it is read and written.

        Raises:
            LostError: The disk does not answer.
        """
        way = self.ways[Who.DISK]
        answer = ask(way, InServiceAction.REPORT_CAPABILITIES)
        if answer.status == Status.GOOD:
            try:
                self.capabilities = ReportCapabilities.decode(answer.data)
            except MalformedError:
                self.capabilities = None
        for who, one in self.ways.items():
            try:
                self.medium[who] = find_medium(one, write_test=self.choice.write_test)
            except NotPossibleError as error:
                self.medium[who] = str(error)

    def run(self, checks: Iterable[Check]) -> Iterator[Result]:
        """Run checks, one after the other, and tell what came of each.

        Raises:
            LostError: The disk does not answer any more.
            OthersError: Somebody else registered meanwhile.
        """
        for check in checks:
            self.may_go_on()
            reason = self._why_left_out(check)
            result = (
                Result(check, Outcome.LEFT_OUT, reason) if reason else self._run_and_clean(check)
            )
            self._results[check.name] = result
            yield result

    def clean(self) -> set[int]:
        """Take away what is left, and give what cannot be.

        Raises:
            LostError: The disk does not answer any more.
        """
        return clean(tuple(self.ways.values()), [self.keys])

    def _why_left_out(self, check: Check) -> str:
        """Give the reason why a check shows nothing here; empty if it does."""
        if check.name in self.choice.skip:
            return "--skip"
        if check.senders - self.ways.keys():
            return NO_PEER
        for name in check.needs:
            needed = self._results.get(name)
            if needed and needed.outcome is Outcome.DEVIATES and not needed.is_slight:
                return f"shows nothing as long as {name} deviates"
        if check.is_about_a_map and not self.paths.get(Who.DISK):
            return "DISK is no multipath map"
        if check.resets:
            why = self.ways[Who.DISK].why_no_reset if self.choice.reset else "--no-reset"
            if why:
                return why
        for who in sorted(check.on_medium):
            medium = self.medium[who]
            if isinstance(medium, str):
                return f"{who}: {medium}"
        return self._why_it_cannot(check)

    def _why_it_cannot(self, check: Check) -> str:
        told = self.capabilities
        for capability in check.capabilities:
            if told is None or not getattr(told, capability):
                return f"the disk does not say that it can: {capability.upper()} is 0"
        types = None if told is None else told.types
        if check.type and types is not None and ReservationType(check.type) not in types:
            return f"the disk says that it has no type {check.type}"
        if check.is_about_ports:
            self._get_acquainted()
            if self.ports.known.keys() != self.ways.keys():
                return "the disk does not tell TransportIDs"
        return ""

    def _run_and_clean(self, check: Check) -> Result:
        self._check_others(self.ways[Who.DISK])
        if any(step.action is InServiceAction.READ_FULL_STATUS for step in check.steps):
            self._get_acquainted()
        try:
            result = self._run(check)
        finally:
            left = self.clean()
        if left:
            names = ", ".join(map(hex, sorted(left)))
            raise LostError(f"the disk does not let go of the keys {names}, after {check.name}")
        return result

    def _run(self, check: Check) -> Result:
        oracle = Oracle(self.keys, self._nexuses())
        played: list[Played] = []
        notes: dict[str, None] = {}
        slight: tuple[str, int] | None = None
        for step in check.steps:
            self.may_go_on()
            if step.is_for_all:
                self._check_others(self.ways[Who.DISK])
            begin = time.monotonic()
            try:
                cdb, data_out, got = self._send(step)
            except NotPossibleError as error:
                return Result(check, Outcome.LEFT_OUT, str(error), steps=tuple(played))
            seconds = time.monotonic() - begin
            right = oracle.answer(step)
            registered = frozenset(who for who in self.ways if oracle.registered_key(who))
            one = Played(step, cdb, data_out, got, right, seconds, oracle.reserved, registered)
            played.append(one)
            deviation = self._judge(one)
            if deviation is None:
                continue
            if _is_unsupported(check, right, got):
                what = f"the disk does not have it: {outcome(got)}"
                return Result(check, Outcome.LEFT_OUT, what, steps=tuple(played))
            if step.action is Task.WRITE and self._proves_nothing(step, got):
                notes[
                    "a write of no blocks was carried out where writes conflict, which alone proves"
                    " nothing: see --write-test"
                ] = None
                continue
            number = len(played) - 1
            what = f"{_before(check.steps[:number])}{deviation.what}"
            if not deviation.is_slight:
                return Result(check, Outcome.DEVIATES, what, False, tuple(played), number)
            slight = slight or (what, number)
        if slight:
            return Result(check, Outcome.DEVIATES, slight[0], True, tuple(played), slight[1])
        return Result(check, Outcome.OK, steps=tuple(played), notes=tuple(notes))

    def _judge(self, one: Played) -> Deviation | None:
        if one.step.look is not Look.PATHS:
            return judge(one.step, one.right, one.got, self.keys, self.ports)
        paths = self.paths[one.step.who]
        try:
            told = [key for key in ReadKeys.decode(one.got.data).keys if key in self.keys]
        except MalformedError as error:
            return Deviation(f"READ KEYS: {error}")
        if len(told) == paths:
            return None
        return Deviation(
            f"of {paths} paths {len(told)} {'is' if len(told) == 1 else 'are'} registered"
        )

    def _proves_nothing(self, step: Step, got: Completion) -> bool:
        medium = self.medium[step.who]
        return isinstance(medium, Medium) and not medium.proves and got.status == Status.GOOD

    def _send(self, step: Step) -> tuple[bytes, bytes, Completion]:
        way = self.ways[step.who]
        if step.action is Task.RESET:
            way.reset()
            return b"", b"", GOOD
        medium = self.medium[step.who]
        if isinstance(step.action, Task):
            assert isinstance(medium, Medium)
            reads = step.action is Task.READ
            command = medium.read_command() if reads else medium.write_command()
            answer = carried_out(patiently(lambda: way.send(*command)))
            return command[0], command[1], _without_data(answer)
        cdb, data_out = step.command(self.keys, self._nexuses())
        size_in = int.from_bytes(cdb[7:9], "big") if isinstance(step.action, InServiceAction) else 0
        passing = step.look is not Look.ATTENTION
        answer = patiently(lambda: way.send(cdb, data_out, size_in), passing_attentions=passing)
        return cdb, data_out, answer

    def _nexuses(self) -> Nexuses:
        found = dict(_PLACEHOLDERS)
        for who, ports in self.ports.known.items():
            found[who] = min(ports, key=lambda nexus: (nexus.target_port, str(nexus.initiator)))
        return found

    def _get_acquainted(self) -> None:
        """Find out by which ports the disk knows the nexuses: each registers, and looks."""
        for who, way in self.ways.items():
            if who in self.ports.known:
                continue
            self._check_others(way)
            key = self.keys[1]
            reserve_out(way, OutServiceAction.REGISTER, 0, key)
            answer = ask(way, InServiceAction.READ_FULL_STATUS)
            reserve_out(way, OutServiceAction.REGISTER, key, 0)
            try:
                descriptors = ReadFullStatus.decode(answer.data).descriptors
            except MalformedError:
                continue
            ports = frozenset(
                Nexus(one.transport_id, one.relative_target_port_identifier)
                for one in descriptors
                if one.key == key
            )
            if ports and not any(ports & known for known in self.ports.known.values()):
                self.ports.known[who] = ports

    def _check_others(self, way: Way) -> None:
        """Make sure that nobody else takes part.

        Raises:
            OthersError: Somebody does.
        """
        others = [key for key in read_keys(way) if key not in self.keys]
        if others:
            raise OthersError(
                f"another program registered the key {others[0]:#x} while this ran: end it, and run"
                " this again"
            )


def _without_data(answer: Completion) -> Completion:
    """Leave out what was read: a report need not hold what the disk holds."""
    return Completion(answer.status, answer.sense)


def _before(steps: Sequence[Step]) -> str:
    """Say what was done last, before an answer that is not right."""
    for step in reversed(steps):
        if isinstance(step.action, OutServiceAction) or step.action is Task.RESET:
            return f"after {step.words} by {step.who}, "
    return ""


def _is_unsupported(check: Check, right: Completion, got: Completion) -> bool:
    sense = sense_of(got)
    return (
        check.is_optional
        and right.status == Status.GOOD
        and sense is not None
        and sense.key == SenseKey.ILLEGAL_REQUEST
    )


_PLACEHOLDERS: Nexuses = {
    Who.DISK: Nexus(transport_ids.parse("naa.5000000000000001"), 1),
    Who.PEER: Nexus(transport_ids.parse("naa.5000000000000002"), 2),
}
