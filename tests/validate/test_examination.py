"""How a check is judged: step by step, with what a disk may and may not choose."""

import pytest

from qemu_pr.logical_unit import LogicalUnit, MemoryState, Nexus
from qemu_pr.scsi import transport_ids
from qemu_pr.scsi.commands import OutServiceAction
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.status import GOOD, RESERVATION_CONFLICT, Completion, Status
from qemu_pr.validate.check import Outcome
from qemu_pr.validate.checks import CHECKS
from qemu_pr.validate.examination import Choice, Examination
from qemu_pr.validate.keys import Keys
from qemu_pr.validate.medium import find_medium
from qemu_pr.validate.steps import Who
from qemu_pr.validate.ways import NotPossibleError, Way

BY_NAME = {check.name: check for check in CHECKS}
READ_CAPACITY, READ, WRITE, COMPARE_AND_WRITE = 0x25, 0x28, 0x2A, 0x89
NOT_READY = Completion.check_condition(Sense(0x02, 0x08, 0x00))
INVALID_OPCODE = Completion.check_condition(Sense(0x05, 0x20, 0x00))


class InMemory(Way):
    """A way to a logical unit in memory, with 4096 bytes a block."""

    fd = -1

    def __init__(self, unit: LogicalUnit, digit: int) -> None:
        self.name = f"host {digit}"
        self.nexus = Nexus(transport_ids.parse(f"naa.500000000000000{digit}"))
        self._unit = unit

    def send(self, cdb: bytes, data_out: bytes = b"", size_in: int = 0) -> Completion:
        if cdb[0] in (0x5E, 0x5F):
            return self._unit.execute(self.nexus, cdb, data_out)
        if cdb[0] == READ_CAPACITY:
            return Completion(0, data=bytes(4) + (4096).to_bytes(4, "big"))
        answer = self._unit.medium(self.nexus, write=cdb[0] in (WRITE, COMPARE_AND_WRITE))
        return Completion(0, data=bytes(size_in)) if answer == GOOD else answer

    def reset(self) -> None:
        self._unit.reset(self.nexus)


def examine(name: str, kind=InMemory, choice: Choice = Choice()):  # noqa: B008
    unit = LogicalUnit(MemoryState())
    ways = {who: kind(unit, digit) for digit, who in enumerate(Who, 1)}
    examination = Examination(ways, Keys.drawn(), choice)
    examination.prepare()
    [result] = examination.run([BY_NAME[name]])
    return result


class LikeLinux(InMemory):
    """As Linux' target: who is not registered is refused with NOT READY."""

    def send(self, cdb: bytes, data_out: bytes = b"", size_in: int = 0) -> Completion:
        answer = super().send(cdb, data_out, size_in)
        refused = cdb[0] == 0x5F and answer == RESERVATION_CONFLICT
        return NOT_READY if refused and self.name == "host 2" else answer


def test_a_refusal_with_another_status_is_slight_and_does_not_end_the_check():
    result = examine("unregistered", LikeLinux)

    assert (result.outcome, result.is_slight) == (Outcome.DEVIATES, True)
    assert len(result.steps) == len(BY_NAME["unregistered"].steps)
    assert result.wrong == 0


class ClearsForAnybody(LikeLinux):
    def send(self, cdb: bytes, data_out: bytes = b"", size_in: int = 0) -> Completion:
        answer = super().send(cdb, data_out, size_in)
        is_clear = cdb[0] == 0x5F and cdb[1] & 0x1F == OutServiceAction.CLEAR
        return GOOD if is_clear else answer


def test_what_is_let_through_behind_slight_deviations_is_told():
    result = examine("unregistered", ClearsForAnybody)

    assert not result.is_slight
    assert "CLEAR (own key K2) by PEER: GOOD, and should be RESERVATION CONFLICT" in result.what


class Choosy(InMemory):
    """As SPC-4: RELEASE of another type is an illegal request."""

    def send(self, cdb: bytes, data_out: bytes = b"", size_in: int = 0) -> Completion:
        answer = super().send(cdb, data_out, size_in)
        is_release = cdb[0] == 0x5F and cdb[1] & 0x1F == OutServiceAction.RELEASE
        if is_release and answer == RESERVATION_CONFLICT:
            return Completion.check_condition(Sense(0x05, 0x26, 0x04))
        return answer


def test_a_release_of_another_type_may_be_refused_as_the_standard_has_it():
    assert examine("type-5", Choosy).outcome is Outcome.OK


class Busy(InMemory):
    """Busy at every second command."""

    count = 0

    def send(self, cdb: bytes, data_out: bytes = b"", size_in: int = 0) -> Completion:
        self.count += 1
        return Completion(Status.BUSY) if self.count % 2 else super().send(cdb, data_out, size_in)


def test_a_busy_disk_is_asked_again(monkeypatch):
    monkeypatch.setattr("qemu_pr.validate.commands.BUSY_WAIT", 0)

    assert examine("preempt-holder", Busy).outcome is Outcome.OK


class WithoutMove(InMemory):
    def send(self, cdb: bytes, data_out: bytes = b"", size_in: int = 0) -> Completion:
        is_move = cdb[0] == 0x5F and cdb[1] & 0x1F == OutServiceAction.REGISTER_AND_MOVE
        return INVALID_OPCODE if is_move else super().send(cdb, data_out, size_in)


def test_what_a_disk_need_not_have_is_left_out_if_it_has_it_not():
    result = examine("register-and-move", WithoutMove)

    assert result.outcome is Outcome.LEFT_OUT
    assert result.what == (
        "the disk does not have it: illegal request: invalid command operation code (05/20/00)"
    )


class WithoutCompareAndWrite(InMemory):
    """As Linux' target would be without it: a write of no blocks passes."""

    def send(self, cdb: bytes, data_out: bytes = b"", size_in: int = 0) -> Completion:
        if cdb[0] == COMPARE_AND_WRITE:
            return INVALID_OPCODE
        if cdb[0] == WRITE and not data_out:
            return GOOD
        return super().send(cdb, data_out, size_in)


def test_a_write_of_no_blocks_that_passes_proves_nothing_and_says_so():
    result = examine("reads-writes-1", WithoutCompareAndWrite)

    assert result.outcome is Outcome.OK
    [note] = result.notes
    assert note.endswith("see --write-test")


def test_a_write_test_proves_it():
    result = examine("reads-writes-1", WithoutCompareAndWrite, Choice(write_test=True))

    assert (result.outcome, result.notes) == (Outcome.OK, ())
    written = [one for one in result.steps if one.cdb[0] == WRITE]
    assert {len(one.data_out) for one in written} == {4096}


def test_compare_and_write_writes_what_is_there():
    medium = find_medium(InMemory(LogicalUnit(MemoryState()), 1), write_test=False)

    cdb, data, _ = medium.write_command()
    assert (cdb[0], cdb[13]) == (COMPARE_AND_WRITE, 1)
    assert data == medium.block * 2
    assert len(medium.block) == 4096


def test_a_disk_that_cannot_be_read_is_left_out():
    class Unreadable(InMemory):
        def send(self, cdb: bytes, data_out: bytes = b"", size_in: int = 0) -> Completion:
            return NOT_READY if cdb[0] == READ else super().send(cdb, data_out, size_in)

    with pytest.raises(NotPossibleError, match="its first block cannot be read: not ready"):
        find_medium(Unreadable(LogicalUnit(MemoryState()), 1), write_test=False)
    assert examine("reads-writes-5", Unreadable).outcome is Outcome.LEFT_OUT
