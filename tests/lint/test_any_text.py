"""Whatever the text is, lint reads it, and what it has corrected it does not correct again."""

import contextlib
import json
import os
import shlex
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.notation import read
from qemu_pr.lint.check import check

PIECES = r"""
qemu-kvm|kvm |$ |# |> |sudo |...|::|```|    |args: | \|\| |,|,,|=|'|"|{|}|[|]|<|>|;|&|$(|)|$X|é
-object |-blockdev |-drive |-device |-m |pr-manager-helper|pr-manager=helper0|id=helper0|path=s
file.pr-manager=helper0|path=/run/s|if=none|id=hd|node-name=hd|driver=raw|file=hd|file=/dev/sdb1
file.driver=host_device|file.filename=/dev/sdb|read-only=on|virtio-scsi|drive=hd|scsi-block|scsi-hd
{"driver":"raw"|,"pr-manager":"helper0"}|"file":"x"|qemu-pr-helper -k |/run/x|ListenStream=
X="|X+=(|)|${X[@]}|"$X |- |- "-object"|["-drive", "|", "|"]|: >-|{{ x }}|{% if %}|@x@|# |; |<!--|-->
|qm set 1 --args '|Environment="A=|ExecStart=|<qemu:commandline>|<qemu:arg value='|'/>
</qemu:commandline>|connected-socket=/x|drive=a,pr-manager=b|<reservations/>
''|<driver type='qcow2'/>
<domain>|</domain>|<disk type='block' device='disk'>|<source dev='/dev/sdb1'>|</disk>|<readonly/>
<reservations managed='no'>|<source path='s'/>|</reservations></source>|<target dev='a' bus='scsi'/>
"""
pieces = st.sampled_from(
    [*PIECES.strip().replace("\n", "|").split("|"), "\n", "\t", "\0", "\udcff"]
)


@settings(max_examples=500)
@given(pieces=st.lists(pieces, max_size=25))
def test_any_text_is_read(pieces: list[str]) -> None:
    with contextlib.suppress(CommandLineError):  # XML that is not well formed
        for report in check("".join(pieces)):
            os.fsencode(report.corrected)


@pytest.mark.parametrize("before", ["", "args = "], ids=["vector", "list"])
def test_an_escape_that_no_argument_can_have_stays_as_it_is(before: str) -> None:
    drive = r"file.filename=/dev/sdb,file.pr-manager=\ud800,if=scsi"
    text = f'{before}["qemu-system-x86_64", "-drive", "{drive}"]'

    (report,) = check(text)

    said = [finding.place.what for finding in report.findings]
    assert r"-drive file.filename=/dev/sdb: file.pr-manager=\ud800" in said
    os.fsencode("".join([*said, report.corrected]))


PROPERTIES = {
    "-object": "pr-manager-helper qom-type=pr-manager-helper id=a id=b path=s path=/s path=",
    "-blockdev": "raw driver=raw host_device driver=file node-name=a node-name=b file=a file=b"
    " file=c filename=/dev/sdb1 file.filename=/dev/sg1 pr-manager=a file.pr-manager=b read-only=on"
    " file.driver=host_device",
    "-drive": "if=none if=scsi id=a id=b file=/dev/sdb file.filename=/dev/sdb1 pr-manager=a"
    " file.pr-manager=b readonly file.driver=file format=raw",
    "-device": "scsi-block scsi-generic scsi-hd virtio-blk drive=a drive=b bus=x.0 driver=scsi-hd"
    " virtio-scsi lun=1",
}


def is_consistent(words: list[str]) -> bool:
    """Whether no word says of the node below what another says of the node, or names the node."""
    keys = {word.partition("=")[0] for word in words}
    return not any(key in keys or "file" in keys for key in nested_in_file(keys))


def nested_in_file(keys: set[str]) -> set[str]:
    return {key.removeprefix("file.") for key in keys if key.startswith("file.")}


options = st.sampled_from(sorted(PROPERTIES)).flatmap(
    lambda option: (
        st.lists(st.sampled_from(PROPERTIES[option].split()), min_size=1, max_size=6, unique=True)
        .filter(is_consistent)
        .map(lambda given: (option, ",".join(given)))
    )
)


def as_json(option: str, text: str) -> str:
    """Write the properties as JSON, those that have a dot in another object."""
    nested: dict[str, Any] = {}
    for key, value in read(option.removeprefix("-"), text).items():
        outer, _, inner = key.partition(".")
        if inner and isinstance(nested.setdefault(outer, {}), dict):
            nested[outer][inner] = value
        else:
            nested[outer] = value
    return json.dumps(nested)


TWO_FILES = [
    ("-blockdev", "filename=/dev/sdb1,file=b,pr-manager=a"),
    ("-blockdev", "file.filename=/dev/sg1,node-name=b,file.pr-manager=b"),
]


@settings(max_examples=500)
@given(options=st.lists(options, min_size=1, max_size=7), in_json=st.booleans())
@example(options=TWO_FILES, in_json=False)
def test_what_is_corrected_is_not_corrected_again(
    options: list[tuple[str, str]], in_json: bool
) -> None:
    words = ["qemu-kvm"]
    for option, text in options:
        with contextlib.suppress(CommandLineError):  # what QEMU would not read either
            notation = as_json(option, text) if in_json and option != "-drive" else text
            words += [option, notation]

    for report in check(shlex.join(words)):
        for again in check(report.corrected):
            assert again.corrected == ""
            assert {one.fault.name for one in again.findings} == set(report.left)
