"""Faults put into a right command line, alone and together, are found and taken out again."""

import json
import re
from collections.abc import Callable
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qemu_pr.command_line.formats import argv_json, shell_text
from qemu_pr.command_line.model import ReservedDisks
from qemu_pr.command_line.proxmox import args_line
from qemu_pr.lint.check import check
from qemu_pr.lint.parse import parse


def substitute(pattern: str, new: str, count: int = 1) -> Callable[[str], str]:
    def inject(text: str) -> str:
        changed = re.sub(pattern, new, text, count=count)
        assert changed != text
        return changed

    return inject


# How each fault gets into a command line.
IN_OPTIONS = {
    "format-node": substitute(r"file\.pr-manager", "pr-manager"),
    "unknown-manager": substitute(r"pr-manager=helper0", "pr-manager=helper"),
    "no-manager": substitute(r"-object \S+ (\\\n    )?", ""),
    "unused-manager": substitute(r",file\.pr-manager=helper0", "", 0),
    "socket-path": substitute(r"path=/var/run/", "path="),
    "unknown-disk": substitute(r"scsi-block,drive=hd", "scsi-block,drive=sd"),
    "emulated-disk": substitute(r"scsi-block", "virtio-blk-pci,addr=0x7"),
    "no-controller": substitute(r"-device virtio-scsi\S* (\\\n    )?", ""),
    "read-only": substitute(r",driver=raw", ",driver=raw,read-only=on"),
    "partition": substitute(r"=/dev/sda\b", "=/dev/sda1"),
}
IN_LINES = {
    "missing-backslash": substitute(r" \\\n", "\n"),
    "blank-behind-backslash": substitute(r"(?<=helper.sock) \\\n", r" \\ \n"),
    "comment-between": substitute(r"(?<=helper.sock) \\\n", " \\\\\n    # the disk\n"),
    "blank-in-value": substitute(r",(?=driver)", ", "),
}
IN_DRIVES = {"drive-interface": substitute("if=none,", "")}
IN_NODES = {"not-host-device": substitute("host_device", "file")}

# These leave nothing of what others change, or of what tells that reservations are meant.
NOT_TOGETHER = {
    frozenset(pair)
    for one in ("unused-manager",)
    for pair in combinations([one, *IN_OPTIONS, *IN_NODES, *IN_DRIVES], 2)
    if one in pair
} | {
    frozenset(pair)
    for pair in [
        ("no-manager", "socket-path"),
        ("no-manager", "blank-behind-backslash"),
        ("no-manager", "comment-between"),
        ("no-manager", "unknown-manager"),
        ("unknown-disk", "emulated-disk"),
        ("blank-behind-backslash", "comment-between"),
    ]
}

disks = st.lists(
    st.sampled_from(["/dev/sdb", "/dev/disk/by-id/wwn-0x6001", "/dev/it's, a disk", "/dev/sg"]),
    max_size=3,
    unique=True,
).map(lambda others: ReservedDisks(("/dev/sda", *others)))


def inject(text: str, faults: dict[str, Callable[[str], str]], names: list[str]) -> str:
    for name in names:
        text = faults[name](text)
    return text


@st.composite
def names_of(draw: st.DrawFn, faults: dict[str, Callable[[str], str]]) -> list[str]:
    chosen: list[str] = []
    for name in draw(st.lists(st.sampled_from(sorted(faults)), min_size=1, max_size=4)):
        if all({name, other} not in [{name}, *NOT_TOGETHER] for other in chosen):
            chosen.append(name)
    return sorted(chosen, key=list(faults).index)


SYNTAXES = {
    "drive": IN_OPTIONS | IN_DRIVES | IN_LINES,
    "blockdev": IN_OPTIONS | IN_NODES | IN_LINES,
}


def found_in(text: str) -> list[str]:
    return [one.fault.name for report in check(text) for one in report.findings]


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_in_shell_text(syntax: str) -> None:
    @given(disks=disks, names=names_of(SYNTAXES[syntax]))
    def check_one(disks: ReservedDisks, names: list[str]) -> None:
        text = inject(shell_text(disks, syntax), SYNTAXES[syntax], names)

        (report,) = check(f"#!/bin/sh\n{text}\n")

        assert set(names) <= {one.fault.name for one in report.findings}
        assert report.left == ()
        assert parse(report.corrected) == disks
        assert found_in(report.corrected) == []

    check_one()


@pytest.mark.parametrize("syntax", ["drive", "blockdev"])
def test_in_an_argument_vector(syntax: str) -> None:
    faults = {
        name: SYNTAXES[syntax][name]
        for name in SYNTAXES[syntax]
        if name not in IN_LINES and name not in ("no-manager", "no-controller")
    }

    @given(disks=disks, names=names_of(faults))
    def check_one(disks: ReservedDisks, names: list[str]) -> None:
        text = inject(argv_json(disks, syntax), faults, names)

        (report,) = check(text)

        assert set(names) <= {one.fault.name for one in report.findings}
        assert read_vector(report.corrected) == disks

    check_one()


def read_vector(text: str) -> ReservedDisks:
    return parse(json.loads(text))


@pytest.mark.parametrize("syntax", ["drive", "blockdev"])
def test_in_a_line_for_proxmox(syntax: str) -> None:
    faults = {name: SYNTAXES[syntax][name] for name in SYNTAXES[syntax] if name not in IN_LINES}

    @given(disks=disks, names=names_of(faults))
    def check_one(disks: ReservedDisks, names: list[str]) -> None:
        text = inject(args_line(disks, syntax), faults, names)

        (report,) = check(f"cores: 2\n{text}\n")

        assert set(names) <= {one.fault.name for one in report.findings}
        assert parse(report.corrected) == disks

    check_one()


@given(disks=disks)
def test_what_is_right_passes(disks: ReservedDisks) -> None:
    for syntax in ("drive", "blockdev", "json"):
        assert found_in(shell_text(disks, syntax)) == []
        assert found_in(argv_json(disks, syntax)) == []
        assert found_in(args_line(disks, syntax)) == []
