"""The logical unit answers what the Linux kernel's target was recorded to answer."""

import pytest

from lio import Sequence, disagreements, recorded_sequences
from qemu_pr.logical_unit import LogicalUnit, MemoryState, Nexus
from qemu_pr.scsi.transport_ids import parse


@pytest.mark.parametrize("sequence", recorded_sequences(), ids=lambda sequence: sequence.seed)
def test_unit_answers_a_recorded_sequence_as_the_kernel_did(sequence: Sequence) -> None:
    unit = LogicalUnit(MemoryState())
    nexuses = [Nexus(parse(name)) for name in sequence.initiators]

    answers = [unit.execute(nexuses[s.nexus], s.cdb, s.data_out) for s in sequence.steps]

    assert disagreements(sequence, answers) == []
