"""The args: line: read back whole, split by the Perl that Proxmox VE uses, taken by real QEMU."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command_line_strategies import NASTY, any_path, reserved_disks, text_path
from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.model import ReservedDisks
from qemu_pr.command_line.proxmox import args_line, quote, split
from qemu_pr.command_line.syntaxes import SYNTAXES
from qemu_pr.lint.parse import parse
from real_qemu import ask_qemu, link, paths, refusal
from requirements import require

SHELLWORDS = r"""
use Text::ParseWords;
while (my $line = <STDIN>) {
    chomp $line;
    my @words = shellwords($line);
    print scalar(@words), "\0", map { "$_\0" } @words;
}
"""


def one_line(path: str) -> bool:
    return "\n" not in path


PATHS = {
    "blockdev": any_path.filter(one_line),
    "drive": any_path.filter(one_line),
    "json": text_path,  # where a line end is \n
}


@pytest.mark.parametrize("syntax", PATHS)
def test_what_is_rendered_is_read_back(syntax: str) -> None:
    @given(disks=reserved_disks(PATHS[syntax].filter(one_line)))
    def check(disks: ReservedDisks) -> None:
        line = args_line(disks, syntax)

        assert "\n" not in line
        assert parse(line) == disks
        assert parse(f"#notes\nboot: order=scsi0\n{line}\ncores: 2\n") == disks

    check()


def perl(lines: list[str]) -> list[list[str]]:
    """Split lines as Proxmox VE does."""
    program = require("perl", package="perl-base")
    done = subprocess.run(
        [program, "-e", SHELLWORDS],
        input=os.fsencode("\n".join(lines) + "\n"),
        capture_output=True,
        check=True,
    )
    items = iter(os.fsdecode(done.stdout).split("\0")[:-1])
    return [[next(items) for _ in range(int(count))] for count in items]


@settings(deadline=None)
@given(words=st.lists(any_path.filter(one_line), min_size=1, max_size=20))
def test_perl_reads_what_is_quoted(words: list[str]) -> None:
    assert perl([" ".join(map(quote, words))]) == [words]


@settings(max_examples=50, deadline=None)
@given(lines=st.lists(st.text("ab '\"\\\t#\v\xa0", max_size=20), min_size=20, max_size=20))
def test_lines_are_split_as_perl_splits_them(lines: list[str]) -> None:
    found = []
    for line in lines:
        try:
            found.append([word.text for word in split(line)])
        except CommandLineError:
            found.append([])

    assert found == perl(lines)


def test_words_know_where_they_are() -> None:
    text = ' -a "b \\" c"d'

    assert [text[word.start : word.end] for word in split(text)] == ["-a", '"b \\" c"d']


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "command line: empty"),
        ("cores: 2\nxargs: -S\n", "line 1: no backslash at its end"),
        (
            "args: -object 'pr-manager-helper",
            "line 1: args: a quote stays open, or a backslash ends it",
        ),
        ("args: -device virtio-scsi", "disks: no scsi-block or scsi-generic device"),
    ],
)
def test_what_proxmox_or_qemu_would_not_take_is_named(text: str, expected: str) -> None:
    with pytest.raises(CommandLineError) as caught:
        parse(text)

    assert str(caught.value).startswith(expected)


def test_a_line_end_has_no_place_in_a_line() -> None:
    with pytest.raises(CommandLineError, match="a line end, and the args: line has one only"):
        args_line(ReservedDisks(("/dev/a\nb",)))


def options(disks: ReservedDisks, syntax: str) -> list[str]:
    [words] = perl([args_line(disks, syntax).removeprefix("args: ")])
    return words


@pytest.mark.parametrize("machine", ["pc", "q35"])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_qemu_takes_the_line_before_proxmoxs_own_devices(
    qemu: str, helper_socket: str, tmp_path: Path, syntax: str, machine: str
) -> None:
    names = [path.removeprefix("/dev/").encode() for path in NASTY if one_line(path)]
    disks = ReservedDisks(link(tmp_path, names), socket=helper_socket)
    words = options(disks, syntax)
    pairs = zip(words[::2], words[1::2], strict=True)
    ours = [word for pair in pairs if "scsi-block" not in pair[1] for word in pair]
    # Proxmox VE reads a bridge pci.0 for q35 from a file, before all else.
    bridge = ["-device", "pci-bridge,id=pci.0,chassis_nr=9"] if machine == "q35" else []
    screen = "pcie.0,addr=0x1e" if machine == "q35" else "pci.0,addr=0x2"
    theirs = [f"VGA,bus={screen}", "virtio-balloon-pci,bus=pci.0,addr=0x3"]
    theirs_words = [word for device in theirs for word in ("-device", device)]

    managers, nodes, backends = ask_qemu(
        qemu,
        ["-machine", machine, *bridge, *ours, *theirs_words],
        "query-pr-managers",
        "query-named-block-nodes",
        "query-block",
    )

    assert paths(disks, nodes, backends) == list(disks.disks)
    assert managers == [{"id": "helper0", "connected": True}]


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_qemu_then_misses_a_scsi_disk(
    qemu: str, helper_socket: str, tmp_path: Path, syntax: str
) -> None:
    disks = ReservedDisks(link(tmp_path, [b"a disk"]), socket=helper_socket)

    said = refusal(qemu, ["-machine", "pc", *options(disks, syntax)])

    assert "cannot get SG_IO version number" in said
