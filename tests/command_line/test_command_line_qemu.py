"""Real QEMU takes what we print as we mean it."""

import json
import os
from pathlib import Path

import pytest

from command_line_strategies import NASTY
from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.identifiers import check_id, check_node_name
from qemu_pr.command_line.model import ReservedDisks
from qemu_pr.command_line.syntaxes import SYNTAXES
from real_qemu import DEVICE, ask_qemu, link, paths, refusal


def without_passthrough(disks: ReservedDisks, syntax: str) -> list[str]:
    pairs = SYNTAXES[syntax](disks)
    return [word for pair in pairs if disks.device not in pair[1] for word in pair]


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_path_arrives_as_given(
    qemu: str, helper_socket: str, tmp_path: Path, syntax: str
) -> None:
    names = [os.fsencode(path.removeprefix("/dev/")) for path in NASTY]
    disks = ReservedDisks(link(tmp_path, names), socket=helper_socket)

    managers, nodes, backends = ask_qemu(
        qemu,
        without_passthrough(disks, syntax),
        "query-pr-managers",
        "query-named-block-nodes",
        "query-block",
    )

    assert paths(disks, nodes, backends) == list(disks.disks)
    assert [node["drv"] for node in nodes].count("host_device") == len(disks.disks)
    assert managers == [{"id": "helper0", "connected": True}]


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_relative_path_that_looks_like_a_protocol_arrives_as_given(
    qemu: str, tmp_path: Path, syntax: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["nbd:localhost:10809", 'json:{"driver":"null-co"}', "host_device:x", "-dash", "a,b=c"]
    link(tmp_path, [name.encode() for name in names])
    options = without_passthrough(ReservedDisks(tuple(names)), syntax)
    without_helper = [option.replace(",file.pr-manager=helper0", "") for option in options[4:]]
    without_helper = [option.replace(',"pr-manager":"helper0"', "") for option in without_helper]

    (nodes,) = ask_qemu(qemu, without_helper, "query-named-block-nodes")

    assert sorted(node["file"] for node in nodes if node["drv"] == "host_device") == sorted(names)


@pytest.mark.parametrize("syntax", ["blockdev", "drive"])
def test_a_path_that_is_no_text_arrives_as_given(
    qemu: str, helper_socket: str, tmp_path: Path, syntax: str
) -> None:
    # QMP has no way to show such a name; but QEMU opens this one or none.
    disks = ReservedDisks(link(tmp_path, [b"\xff\xfe,\x80"]), socket=helper_socket)

    (nodes,) = ask_qemu(qemu, without_passthrough(disks, syntax), "query-named-block-nodes")

    assert [node["drv"] for node in nodes] == ["raw", "host_device"]


@pytest.mark.parametrize("name", ["\uffff", "\ufdd0", "\U0010fffe"])
def test_what_we_refuse_in_json_qemu_refuses(qemu: str, name: str) -> None:
    node = {"node-name": "hd", "driver": "host_device", "filename": f"/dev/{name}"}

    said = refusal(qemu, ["-blockdev", json.dumps(node)])

    assert "JSON parse error" in said


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_qemu_takes_all_options_and_then_misses_a_scsi_disk(
    qemu: str, helper_socket: str, syntax: str
) -> None:
    disks = ReservedDisks((DEVICE,), socket=helper_socket)
    options = [word for pair in SYNTAXES[syntax](disks) for word in pair]

    said = refusal(qemu, options)

    assert "cannot get SG_IO version number" in said


@pytest.mark.parametrize("name", ["a", "Z9", "a.b", "a-b", "a_b", "a" * 31])
def test_names_that_we_take_qemu_takes(qemu: str, helper_socket: str, name: str) -> None:
    check_id("id", name)
    check_node_name("node", name)
    helper = f"pr-manager-helper,id={name},path={helper_socket.replace(',', ',,')}"
    node = f"host_device,node-name={name},filename={DEVICE}"

    managers, nodes = ask_qemu(
        qemu,
        ["-object", helper, "-blockdev", node],
        "query-pr-managers",
        "query-named-block-nodes",
    )

    assert [manager["id"] for manager in managers] == [name]
    assert [node["node-name"] for node in nodes] == [name]


@pytest.mark.parametrize("name", ["", "9", "_a", "-a", ".a", "a b", "a:b", "a/b", "é", "aé", "a+"])
def test_ids_that_we_refuse_qemu_refuses(qemu: str, name: str) -> None:
    with pytest.raises(CommandLineError):
        check_id("id", name)

    assert "expects an identifier" in refusal(
        qemu, ["-object", f"pr-manager-helper,id={name},path=/nowhere"]
    )
    assert "Invalid node-name" in refusal(
        qemu, ["-blockdev", f"host_device,node-name={name},filename={DEVICE}"]
    )


def test_a_node_name_of_32_characters_is_too_long_for_qemu(qemu: str) -> None:
    said = refusal(qemu, ["-blockdev", f"host_device,node-name={'a' * 32},filename={DEVICE}"])

    assert "Node name too long" in said
