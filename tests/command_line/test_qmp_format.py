"""QMP commands: read back whole, and carried out by real QEMU, there and back."""

import json
from pathlib import Path

import pytest
from hypothesis import given

from command_line_strategies import NASTY, reserved_disks, text_path
from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.model import ReservedDisks
from qemu_pr.command_line.qmp import plug, unplug
from qemu_pr.lint.parse import parse
from real_qemu import DEVICE, link, paths, talk

EMPTY: dict[str, object] = {}  # what QEMU returns if there is nothing to say


@given(disks=reserved_disks(text_path))
def test_what_is_rendered_is_read_back(disks: ReservedDisks) -> None:
    assert parse(plug(disks)) == disks


def test_commands_that_plug_nothing_in_are_passed_over() -> None:
    disks = ReservedDisks(("/dev/sdb",), bus="scsi0.0", name="quorum")

    found = parse('{"execute":"qmp_capabilities"}\n\n' + plug(disks) + '\n{"execute":"quit"}\n')

    assert found == disks


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", "disks: no scsi-block or scsi-generic device"),
        ("{}\ndevice_add scsi-block", "line 2: no QMP command: value: not JSON"),
        ("[]", "line 1: no QMP command: value: no JSON object"),
        ('{"execute":["x"]}', "disks: no scsi-block"),
        ('{"execute":"device_add","arguments":["x"]}', "line 1: no QMP command: value: no JSON o"),
    ],
)
def test_what_is_no_sequence_is_refused(text: str, expected: str) -> None:
    with pytest.raises(CommandLineError) as caught:
        parse(text)

    assert str(caught.value).startswith(expected)


def for_a_disk_that_is_none(lines: str) -> list[str]:
    # All of them are one device, so they have to share it.
    substitute = '"driver":"scsi-hd","share-rw":true'
    return lines.replace('"driver":"scsi-block"', substitute).split("\n")


def test_qemu_plugs_disks_in_and_out(qemu: str, helper_socket: str, tmp_path: Path) -> None:
    names = [path.removeprefix("/dev/").encode() for path in NASTY]
    disks = ReservedDisks(link(tmp_path, names), socket=helper_socket)
    plugged = for_a_disk_that_is_none(plug(disks))
    unplugged = for_a_disk_that_is_none(unplug(disks))
    look = ['{"execute":"query-pr-managers"}', '{"execute":"query-named-block-nodes"}']

    # The controller goes once the guest lets it go, and this one is paused; all else goes at once.
    told = talk(qemu, [], [*plugged, *look, *unplugged, *look, *plugged[1:]])

    done = [one for one in told if one == EMPTY]
    managers, nodes, no_managers, no_nodes = (one for one in told if one != EMPTY)
    assert paths(disks, nodes) == list(disks.disks)
    assert managers == [{"id": "helper0", "connected": True}]
    assert (no_managers, no_nodes) == ([], [])
    assert len(done) == len([line for line in plugged + unplugged + plugged[1:] if line])


def test_qemu_puts_disks_on_a_bus_that_it_has(qemu: str, helper_socket: str) -> None:
    options = ["-machine", "q35", "-device", "virtio-scsi,id=scsi0"]
    disks = ReservedDisks((DEVICE,), socket=helper_socket, bus="scsi0.0")

    told = talk(qemu, options, for_a_disk_that_is_none(plug(disks)))

    assert told == [EMPTY] * 3


def test_qemu_then_misses_a_scsi_disk(qemu: str, helper_socket: str) -> None:
    disks = ReservedDisks((DEVICE,), socket=helper_socket)

    *done, said = talk(qemu, [], plug(disks).split("\n"))

    assert done == [EMPTY] * 3
    assert "cannot get SG_IO version number" in said["desc"]


def test_what_is_undone_is_what_was_done() -> None:
    disks = ReservedDisks(("/dev/sdb", "/dev/sdc"), helper_id="pr", name="q")

    at_once, afterwards = unplug(disks).split("\n\n")

    undone = [json.loads(line) for line in f"{at_once}\n{afterwards}".split("\n")]
    assert at_once.count("\n") == 1
    assert [(one["execute"], *one["arguments"].values()) for one in undone] == [
        ("device_del", "q1"),
        ("device_del", "q0"),
        ("blockdev-del", "q1"),
        ("blockdev-del", "q0"),
        ("object-del", "pr"),
        ("device_del", "q-scsi"),
    ]
