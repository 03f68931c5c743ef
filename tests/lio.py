"""The recorded oracle: what Linux's target (LIO) answered to persistent reservation commands.

The recording is tests/data/lio-sequences.jsonl; its README beside it tells the format. Answers are
compared modulo what the recording cannot fix: PRGENERATION counts from the sequence's start, the
relative target port depends on the set-up, and the order of registrations is free.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from qemu_pr.scsi.commands import OutServiceAction
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.status import Completion, Status

RECORDING = Path(__file__).parent / "data/lio-sequences.jsonl"

# Where LIO leaves SPC-4 and the logical unit does not follow: from an unregistered nexus LIO
# answers these with NOT READY, SPC-4 has RESERVATION CONFLICT.
LIO_NOT_READY = [2, 8, 0]
CONFLICT_IN_SPC = {OutServiceAction.RESERVE, OutServiceAction.RELEASE, OutServiceAction.CLEAR}


@dataclass(frozen=True)
class Step:
    nexus: int
    cdb: bytes
    data_out: bytes
    status: int
    sense: tuple[int, ...] | None
    data: bytes

    @property
    def service_action(self) -> int:
        return self.cdb[1] & 0x1F


@dataclass(frozen=True)
class Sequence:
    seed: int
    generation: int
    steps: tuple[Step, ...]
    initiators: tuple[str, ...] = tuple(f"naa.600140500000000{n}" for n in (1, 2, 3))


def recorded_sequences() -> list[Sequence]:
    """Read the recording."""
    with RECORDING.open() as lines:
        return [_sequence(json.loads(line)) for line in lines]


def disagreements(sequence: Sequence, answers: Iterable[Completion]) -> list[str]:
    """Tell where answers to a sequence's commands differ from what LIO answered."""
    found = []
    for number, (step, answer) in enumerate(zip(sequence.steps, answers, strict=True)):
        expected, got = _expected(step, sequence.generation), _comparable(step, answer)
        if expected != got:
            found.append(
                f"step {number}: nexus {step.nexus} sent {step.cdb.hex()} {step.data_out.hex()}:"
                f" LIO answered {expected}, we {got}"
            )
    return found


def _sequence(line: dict) -> Sequence:
    steps = tuple(
        Step(
            nexus=step["n"],
            cdb=bytes.fromhex(step["cdb"]),
            data_out=bytes.fromhex(step["out"]),
            status=step["status"],
            sense=tuple(step["sense"]) if step["sense"] else None,
            data=bytes.fromhex(step["in"]),
        )
        for step in line["steps"]
    )
    return Sequence(line["seed"], line["gen0"], steps)


def _expected(step: Step, generation: int) -> tuple:
    if (
        step.cdb[0] == 0x5F
        and step.service_action in CONFLICT_IN_SPC
        and step.sense == tuple(LIO_NOT_READY)
    ):
        return Status.RESERVATION_CONFLICT, None, None
    return step.status, step.sense, _normal_data(step, step.data, generation)


def _comparable(step: Step, answer: Completion) -> tuple:
    sense = None
    if answer.status == Status.CHECK_CONDITION:
        decoded = Sense.decode(answer.sense)
        sense = (decoded.key, decoded.asc, decoded.ascq)
    return answer.status, sense, _normal_data(step, answer.data, 0)


def _normal_data(step: Step, data: bytes, generation: int) -> tuple | None:
    """Bring parameter data into a form in which equal meaning is equal value."""
    if not data:
        return None
    if step.service_action == 2:
        return (data,)
    header = (int.from_bytes(data[:4], "big") - generation, data[4:8])
    body = data[8:]
    if step.service_action == 0:
        return (*header, sorted(body[i : i + 8] for i in range(0, len(body), 8)))
    if step.service_action == 3:
        descriptors = [body[i : i + 48] for i in range(0, len(body), 48)]
        return (*header, sorted(d[:18] + d[20:] for d in descriptors))
    return (*header, body)
