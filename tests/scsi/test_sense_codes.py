"""What sense data tells an operator: one table for names, advice and exit statuses."""

import pytest

from qemu_pr.scsi import sense
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.sense_codes import CODES, KEYS, OTHER, in_words, name_of, told_by


def test_each_code_is_there_once() -> None:
    codes = [(code.asc, code.ascq) for code in CODES]

    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    "made", [one for one in vars(sense).values() if isinstance(one, Sense)], ids=str
)
def test_whatever_this_package_makes_has_a_name(made: Sense) -> None:
    assert name_of(made)


@pytest.mark.parametrize(
    ("told", "exit_status", "advice"),
    [
        (Sense(0x2, 0x04, 0x0B), 12, "the disk takes no command through this port"),
        (Sense(0x2, 0x04, 0x01), 2, "wait until the disk is ready"),
        (Sense(0x5, 0x20, 0x00), 9, "the device has no persistent reservations"),
        (Sense(0x5, 0x21, 0x00), 22, ""),
        (Sense(0xB, 0x10, 0x03), 40, "run the command again"),
        (Sense(0xB, 0x20, 0x00), 11, "run the command again"),  # the code, with another sense key
        (Sense(0xC, 0x00, 0x00), OTHER, ""),
    ],
    ids=str,
)
def test_a_code_tells_more_than_its_sense_key(told: Sense, exit_status: int, advice: str) -> None:
    found = told_by(told)

    assert found.exit_status == exit_status
    assert found.advice.startswith(advice)
    assert bool(found.advice) == bool(advice)


def test_a_code_without_a_name_is_told_by_its_numbers() -> None:
    assert in_words(Sense(0x6, 0x77, 0x01)) == "unit attention (06/77/01)"
    assert KEYS[0x6].exit_status == told_by(Sense(0x6, 0x77, 0x01)).exit_status
