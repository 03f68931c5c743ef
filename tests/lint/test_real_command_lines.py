"""Command lines as they are found in the field: right ones pass, wrong ones are told why."""

from pathlib import Path

import pytest

from qemu_pr.command_line.formats import shell_text
from qemu_pr.command_line.model import ReservedDisks
from qemu_pr.lint.check import check

REAL = Path(__file__).parent / "real"

# How many command lines of each have to do with reservations.
VALID = {
    "container.md": 2,
    "iscsi.sh": 1,
    "kubevirt.xml": 1,
    "libvirt-4.log": 1,
    "libvirt-9.log": 1,
    "no-reservations.sh": 0,
    "notes.md": 4,
    "ovirt.xml": 1,
    "proxmox-101.conf": 2,
    "proxmox-showcmd.txt": 1,
    "ps.txt": 1,
    "scripts.txt": 3,
    "tester.sh": 1,
}

FAULTY = {
    "102.conf": [(2, "format-node"), (2, "no-controller"), (4, "open-quote")],
    "domain.xml": [
        (4, "emulated-disk"),
        (4, "partition"),
        (4, "read-only"),
        (4, "socket-path"),
    ],
    "guide.rst": [
        (7, "socket-path"),
        (8, "blank-behind-backslash"),
        (8, "format-node"),
        (8, "partition"),
        (8, "unknown-manager"),
        (9, "emulated-disk"),
        (9, "no-controller"),
        (16, "missing-backslash"),
        (17, "other-socket"),
        (19, "blank-in-value"),
        (20, "comment-between"),
    ],
    "iscsi.txt": [(3, "not-host-device")],
}


def test_all_of_them_are_tested() -> None:
    assert {file.name for file in (REAL / "valid").iterdir()} == VALID.keys()
    assert {file.name for file in (REAL / "faulty").iterdir()} == FAULTY.keys()


@pytest.mark.parametrize("name", VALID)
def test_what_works_passes(name: str) -> None:
    reports = check((REAL / "valid" / name).read_text())

    assert [report.findings for report in reports] == [()] * VALID[name]


@pytest.mark.parametrize("name", FAULTY)
def test_what_does_not_work_is_named(name: str) -> None:
    reports = check((REAL / "faulty" / name).read_text())

    found = [(one.found.line, one.fault.name) for report in reports for one in report.findings]
    assert sorted(found) == FAULTY[name]


PUBLISHED = """\
The following command line attaches the object to a SCSI passthrough device::

      $ qemu-system-x86_64
          -device virtio-scsi \\
          -object pr-manager-helper,id=helper0,path=/var/run/qemu-pr-helper.sock
          -drive if=none,id=hd,driver=raw,file.filename=/dev/sdb,file.pr-manager=helper0
          -device scsi-block,drive=hd

Alternatively, using ``-blockdev``::

      $ qemu-system-x86_64
          -device virtio-scsi \\
          -object pr-manager-helper,id=helper0,path=/var/run/qemu-pr-helper.sock
          -blockdev node-name=hd,driver=raw,file.driver=host_device,file.filename=/dev/sdb,file.pr-manager=helper0
          -device scsi-block,drive=hd

The helper program must be running.
"""  # noqa: E501


def test_the_published_page_is_corrected_to_what_this_manual_has() -> None:
    drive, blockdev = check(PUBLISHED)

    sdb = ReservedDisks(("/dev/sdb",))
    assert [(one.found.line, one.fault.name) for one in drive.findings] == [
        (3, "missing-backslash"),
        (5, "missing-backslash"),
        (6, "missing-backslash"),
    ]
    assert [one.found.line for one in blockdev.findings] == [11, 13, 14]
    assert drive.corrected == shell_text(sdb, "drive")
    assert blockdev.corrected == shell_text(sdb, "blockdev")
