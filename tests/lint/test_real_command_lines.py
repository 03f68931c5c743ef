"""Command lines as they are found in the field: right ones pass, wrong ones are told why."""

import json
from pathlib import Path

import pytest

from qemu_pr.command_line.formats import shell_text
from qemu_pr.command_line.model import ReservedDisks
from qemu_pr.lint.check import check

REAL = Path(__file__).parent / "real"

# How many command lines of each have to do with reservations.
VALID = {
    "Dockerfile": 1,
    "Makefile": 1,
    "added.diff": 1,
    "agents.md": 0,
    "arguments.tf": 1,
    "argv-task.yaml": 1,
    "arm.sh": 1,
    "array-appended.sh": 1,
    "array-comments.sh": 1,
    "array-conditional.sh": 1,
    "array-two-parts.sh": 1,
    "autoconf.sh.in": 1,
    "build.pkr.hcl": 1,
    "cdrom-and-tape.sh": 1,
    "chart.yaml": 1,
    "commented-last-line.sh": 1,
    "commit.txt": 1,
    "compose-list.yaml": 1,
    "compose.yaml": 1,
    "console.txt": 1,
    "container.json": 1,
    "container.md": 2,
    "docbook.xml": 1,
    "domain-task.yml": 1,
    "domain-without.xml": 0,
    "domain.js": 1,
    "drop-in.conf": 2,
    "environment-quoted.conf": 2,
    "environment.conf": 1,
    "fish.txt": 1,
    "folded-deeper.yaml": 1,
    "folded.yaml": 1,
    "function.sh": 1,
    "generic.sh": 1,
    "guest.nix": 1,
    "guest.tf": 1,
    "guest@.service": 1,
    "helper.service": 0,
    "heredoc.sh": 1,
    "iscsi-two.sh": 0,
    "iscsi.sh": 1,
    "joined.pl": 2,
    "json-many-lines.sh": 1,
    "json-options.sh": 1,
    "kubevirt.xml": 1,
    "kubevirt.yaml": 0,
    "layers.sh": 1,
    "libvirt-4.log": 1,
    "libvirt-9.log": 1,
    "literal.yaml": 1,
    "loader.sh": 1,
    "mail.txt": 1,
    "managed.xml": 1,
    "no-reservations.sh": 0,
    "notes.md": 4,
    "old-command-kept.sh": 1,
    "option-below.sh": 1,
    "ovirt.xml": 1,
    "placeholders.md": 1,
    "plain-scalar.yaml": 1,
    "pod.yaml": 1,
    "prose.md": 0,
    "proxmox-101.conf": 2,
    "proxmox-showcmd.txt": 1,
    "ps.txt": 1,
    "pvesh.sh": 1,
    "qemu-arguments.xml": 1,
    "qm-set.sh": 1,
    "remote.sh": 1,
    "root-prompt.rst": 1,
    "script.nix": 1,
    "scripts.txt": 3,
    "start-extended.py.txt": 2,
    "start.py.txt": 1,
    "template-inline.sh.j2": 1,
    "template.sh.j2": 1,
    "tester.sh": 1,
    "traced.md": 1,
    "two-guests.sh": 2,
    "two-variants.sh": 3,
    "unmanaged.xml": 1,
    "variable-appended.sh": 1,
    "variable-continued.sh": 1,
    "variables-from-outside.sh": 1,
}

# What may be a part of more.
HINTS = {
    "drop-in.conf": [(3, "no-device")],
    "prose.md": [(3, "not-read")],
}

FAULTY = {
    "102.conf": [(2, "format-node"), (2, "no-controller"), (4, "open-quote")],
    "added.diff": [(4, "missing-backslash"), (6, "missing-backslash"), (7, "missing-backslash")],
    "alone.sh": [(6, "no-reservations")],
    "arguments.xml": [(4, "no-device"), (4, "partition"), (4, "unknown-manager")],
    "build.pkr.hcl": [(4, "format-node")],
    "builder.go": [],
    "compose.yaml": [(4, "format-node")],
    "disks.xml": [
        (7, "no-reservations"),
        (12, "image-format"),
        (15, "managed"),
        (23, "misplaced-reservations"),
        (24, "managed"),
        (30, "misplaced-reservations"),
        (36, "managed"),
        (42, "managed"),
        (42, "managed"),
        (46, "not-host-device"),
        (51, "not-host-device"),
    ],
    "domain.xml": [(4, "emulated-disk"), (4, "partition"), (4, "read-only"), (4, "socket-path")],
    "environment.conf": [(2, "emulated-disk"), (2, "unknown-manager")],
    "extended.sh": [(5, "format-node"), (5, "partition"), (6, "emulated-disk")],
    "folded.yaml": [(4, "drive-interface"), (4, "partition")],
    "guest.nix": [(5, "partition"), (5, "unknown-manager")],
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
    "image.sh": [(2, "not-host-device")],
    "iscsi.txt": [(3, "not-host-device")],
    "nested.json": [(8, "format-node")],
    "not-given.sh": [(6, "no-device")],
    "old-property.json": [(2, "unknown-property"), (2, "unknown-property")],
    "on-device.yaml": [(8, "manager-on-device")],
    "one-of-two.sh": [(3, "no-reservations")],
    "qcow2.sh": [(2, "image-format")],
    "qm.sh": [(1, "emulated-disk"), (1, "partition")],
    "start.py.txt": [(3, "no-device")],
    "template.sh.j2": [(2, "emulated-disk"), (2, "format-node")],
    "unit.service": [(4, "missing-backslash")],
    "workflow.yml": [(9, "format-node")],
    "wrapped.txt": [(3, "missing-backslash"), (4, "missing-backslash"), (5, "missing-backslash")],
}


def test_all_of_them_are_tested() -> None:
    assert {file.name for file in (REAL / "valid").iterdir()} == VALID.keys()
    assert {file.name for file in (REAL / "faulty").iterdir()} == FAULTY.keys()


@pytest.mark.parametrize("name", VALID)
def test_what_works_passes(name: str) -> None:
    reports = check((REAL / "valid" / name).read_text())

    read = [report.findings for report in reports if report.is_read]
    hints = [(one.place.line, one.fault.name) for report in reports for one in report.hints]
    assert read == [()] * VALID[name]
    assert hints == HINTS.get(name, [])


@pytest.mark.parametrize("name", FAULTY)
def test_what_does_not_work_is_named(name: str) -> None:
    reports = check((REAL / "faulty" / name).read_text())

    found = [(one.place.line, one.fault.name) for report in reports for one in report.findings]
    assert sorted(found) == FAULTY[name]


def test_a_list_of_lists_is_corrected_as_it_is_and_no_further() -> None:
    (report,) = check((REAL / "faulty/nested.json").read_text())

    assert json.loads(report.corrected)[2] == [
        "-drive",
        "if=none,id=hd,format=raw,file=/dev/sdb,file.pr-manager=pr0",
    ]


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
    assert [(one.place.line, one.fault.name) for one in drive.findings] == [
        (3, "missing-backslash"),
        (5, "missing-backslash"),
        (6, "missing-backslash"),
    ]
    assert [one.place.line for one in blockdev.findings] == [11, 13, 14]
    assert drive.corrected == shell_text(sdb, "drive")
    assert blockdev.corrected == shell_text(sdb, "blockdev")
