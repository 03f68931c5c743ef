"""Reads and writes that harm nothing, to see whether a disk enforces its reservation.

A read is READ(10) of one block. A write is COMPARE AND WRITE of the first block with what is there:
it carries data to the disk, so that a reservation must stop it; and if it is carried out, the disk
compares the block with what it gets, and writes the same, in one go, or writes nothing. A disk that
lacks the command is sent WRITE(10) of no blocks, which must conflict as well (SBC-3, 5.32), but
proves nothing if it does not: Linux' target lets it through under the write exclusive types. With
``--write-test`` it is WRITE(10) of one block, with what was read.
"""

from dataclasses import dataclass

from qemu_pr.scsi.sense_codes import sense_of
from qemu_pr.scsi.sense_keys import SenseKey
from qemu_pr.scsi.status import GOOD, Completion, Status
from qemu_pr.validate.commands import patiently
from qemu_pr.validate.judging import outcome
from qemu_pr.validate.ways import NotPossibleError, Way

_READ_CAPACITY_10 = bytes((0x25, *bytes(9)))
_READ_10 = bytes((0x28, *bytes(7), 1, 0))
_WRITE_10 = bytes((0x2A, *bytes(7), 1, 0))
_WRITE_10_OF_NONE = bytes((0x2A, *bytes(9)))
_COMPARE_AND_WRITE = bytes((0x89, *bytes(12), 1, 0, 0))
_BLOCK_SIZES = (512, 520, 528, 4096, 4104, 4160, 4224)


@dataclass(frozen=True, slots=True)
class Medium:
    """How a disk is read and written.

    Attributes:
        block: What its first block held.
        write: The CDB that writes.
        data: What goes with it.
        name: What it is called.
        proves: Whether it shows something if it is carried out where it should conflict.
    """

    block: bytes
    write: bytes
    data: bytes
    name: str
    proves: bool = True

    def read_command(self) -> tuple[bytes, bytes, int]:
        """Give what reads: CDB, nothing, and how much comes back."""
        return _READ_10, b"", len(self.block)

    def write_command(self) -> tuple[bytes, bytes, int]:
        """Give what writes: CDB, data, and that nothing comes back."""
        return self.write, self.data, 0


def find_medium(way: Way, *, write_test: bool) -> Medium:
    """Find out how a disk that nobody has reserved can be read and written.

    Args:
        way: A way to it.
        write_test: Write for real, what was read.

    Raises:
        NotPossibleError: It cannot be read; the text says why.
    """
    if way.why_no_medium:
        raise NotPossibleError(way.why_no_medium)
    capacity = _send(way, (_READ_CAPACITY_10, b"", 8))
    size = int.from_bytes(capacity.data[4:8], "big")
    size = size if size in _BLOCK_SIZES else 512
    read = _send(way, (_READ_10, b"", size))
    if read.status != Status.GOOD or len(read.data) != size:
        raise NotPossibleError(f"its first block cannot be read: {outcome(read)}")
    block = read.data
    if write_test:
        return Medium(block, _WRITE_10, block, "WRITE(10) of one block")
    compare = Medium(block, _COMPARE_AND_WRITE, block + block, "COMPARE AND WRITE of one block")
    try:
        if carried_out(_send(way, compare.write_command())) == GOOD:
            return compare
    except NotPossibleError:
        pass
    return Medium(block, _WRITE_10_OF_NONE, b"", "WRITE(10) of no blocks", proves=False)


def carried_out(answer: Completion) -> Completion:
    """Take a comparison that failed for GOOD: the reservation did not stop it."""
    sense = sense_of(answer)
    return GOOD if sense is not None and sense.key == SenseKey.MISCOMPARE else answer


def _send(way: Way, command: tuple[bytes, bytes, int]) -> Completion:
    return patiently(lambda: way.send(*command))
