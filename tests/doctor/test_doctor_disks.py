"""What is wrong with a disk that is named."""

from pathlib import Path

import pytest

from examined import not_root
from qemu_pr.doctor.check import Outcome
from qemu_pr.doctor.disks import reservations, scsi, writable
from qemu_pr.doctor.host import Host


def test_a_disk_that_is_not_there() -> None:
    (result,) = scsi(Host(["/dev/nosuch"]))

    assert result.outcome is Outcome.FAILURE
    assert result.what == "cannot open it: No such file or directory"
    assert "lsblk --scsi" in result.advice


def test_a_device_that_is_no_scsi_disk() -> None:
    (result,) = scsi(Host(["/dev/null"]))

    assert result.outcome is Outcome.FAILURE
    assert result.what.startswith("it is no SCSI disk")


def test_a_disk_that_this_user_may_not_open(tmp_path: Path) -> None:
    file = tmp_path / "disk"
    file.touch(mode=0)

    with not_root():
        (result,) = scsi(Host([str(file)]))

    assert (result.outcome, result.advice) == (Outcome.UNKNOWN, "run as root")


@pytest.mark.parametrize("check", [writable, reservations])
def test_of_a_disk_with_a_fault_nothing_else_is_told(check) -> None:
    assert list(check(Host(["/dev/nosuch", "/dev/null"]))) == []
