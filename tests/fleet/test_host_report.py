"""One host's report: what it has, what it lacks without privileges, and how often it asks."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from qemu_pr.cli.qemu_pr import main
from qemu_pr.doctor.host import Host
from qemu_pr.fleet.findings import findings
from qemu_pr.fleet.matrix import Fleet
from qemu_pr.fleet.model import NO_SETTINGS
from qemu_pr.fleet.report import Answer, Question, collect
from qemu_pr.fleet.schema import schema
from qemu_pr.host import asking, initiators
from simulated_hosts import DISK, SimulatedHost, fence, write

Capture = pytest.CaptureFixture[str]
WWID = f"3{DISK[4:]}"


def test_a_report_has_what_the_host_sees(nodes: list[SimulatedHost], capsys: Capture) -> None:
    report = nodes[0].report(capsys)

    (disk,) = report["disks"]
    assert (report["host"], report["initiators"]) == ("node1", [nodes[0].port])
    assert (disk["identity"], disk["device"]) == (DISK, "/dev/sda")
    assert disk["paths"] == [
        {
            "device": "/dev/sda",
            "state": "running",
            "initiator": nodes[0].port,
            "relative_target_port_identifier": 1,
        }
    ]
    assert disk["status"]["reservation"]["type"] == 5
    assert [one["reservation_key"] for one in disk["status"]["registrations"]] == [
        *("0xa", "0xb", "0xc", "0xd")
    ]
    (helper,) = report["helpers"]
    assert (helper["kind"], helper["socket"]) == ("qemu-pr", "/run/qemu-pr-helper.sock")
    assert report["guests"][0]["name"] == "alice"
    assert report["guests"][0]["disks"] == ["/dev/sda"]
    assert report["findings"] == []
    assert report["not_seen"] == []


def test_reports_are_as_the_schema_says(nodes: list[SimulatedHost], capsys: Capture) -> None:
    jsonschema.Draft202012Validator.check_schema(schema())

    for node in nodes:
        jsonschema.validate(node.report(capsys), schema())


def test_what_a_disk_had_to_tell_is_in_the_report(
    nodes: list[SimulatedHost], capsys: Capture
) -> None:
    fence(nodes[0], 0xC)

    (disk,) = nodes[2].report(capsys)["disks"]

    assert disk["status"]["unit_attentions"] == ["06/2A/05 registrations preempted"]


def test_without_a_helper_it_says_what_was_not_seen(
    nodes: list[SimulatedHost], capsys: Capture
) -> None:
    report = nodes[1].report(capsys)

    assert report["disks"][0]["status"] is None
    assert report["not_seen"][0]["what"] == "reservations of /dev/sda"
    assert report["helpers"] == []
    assert report["findings"][0]["check"] == "socket"


def test_others_than_root_are_told_what_they_did_not_see(
    nodes: list[SimulatedHost], capsys: Capture
) -> None:
    os.chmod(nodes[0].socket, 0)
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(65534)
        report = nodes[0].report(capsys)
    finally:
        os.seteuid(user)

    assert [one["what"] for one in report["not_seen"]] == [
        *("reservations of /dev/sda", "who answers on /run/qemu-pr-helper.sock")
    ]
    assert [one["kind"] for one in report["helpers"]] == [None]
    assert [one.kind for one in findings(Fleet([report]))] == []  # type: ignore[arg-type]


def test_one_disk_can_be_named(nodes: list[SimulatedHost], capsys: Capture, folder: Path) -> None:
    nodes[0].add_disk(folder / "other.img", "sdb", "6001405000000000000000000000000b")

    report = nodes[0].report(capsys, "/dev/sdb")

    assert [disk["device"] for disk in report["disks"]] == ["/dev/sdb"]


def test_a_disk_that_is_not_there_is_an_error(nodes: list[SimulatedHost], capsys: Capture) -> None:
    assert main(["report", "--root", str(nodes[0].root), "/dev/nosuch"]) == 1
    assert capsys.readouterr().err == (
        f"qemu-pr: report: {nodes[0].root}/dev/nosuch: No such file or directory\n"
    )


@pytest.fixture
def host(folder: Path) -> SimulatedHost:
    """A host with a map of two paths, and a disk of its own."""
    host = SimulatedHost(folder, "host", 5)
    host.add_disk(folder / "a.img", "sdaa", port=1)
    host.add_disk(folder / "a.img", "sdz", port=2)
    host.add_disk(folder / "b.img", "sdb", "6001405000000000000000000000000b")
    host.add_map("mpatha", WWID, ["sdaa", "sdz"], folder / "a.img")
    return host


def test_paths_of_a_map_are_told_with_it(host: SimulatedHost, capsys: Capture) -> None:
    first, second = host.report(capsys)["disks"]

    assert (first["device"], first["identity"], first["wwid"]) == ("/dev/mapper/mpatha", DISK, WWID)
    assert [path["device"] for path in first["paths"]] == ["/dev/sdz", "/dev/sdaa"]
    assert [path["relative_target_port_identifier"] for path in first["paths"]] == [2, 1]
    assert second["device"] == "/dev/sdb"


def test_a_map_has_its_keys(host: SimulatedHost, capsys: Capture) -> None:
    write(host.root / "etc/multipath.conf", "defaults {\n reservation_key file\n}\n")
    write(host.root / "etc/multipath/prkeys", f"0x00000000000000bb {WWID}\n")

    of_map, of_disk = (disk["reservation_key"] for disk in host.report(capsys)["disks"])

    assert of_map == {"configured": "file", "running": None, "remembered": "0xbb"}
    assert of_disk is None


def test_settings_that_cannot_be_read_are_not_taken_for_none(
    host: SimulatedHost, capsys: Capture
) -> None:
    (host.root / "etc/multipath.conf").mkdir()

    report = host.report(capsys)

    assert report["disks"][0]["reservation_key"]["configured"] is None
    (told,) = [one for one in report["not_seen"] if one["what"] == NO_SETTINGS]
    assert told["why"] == f"cannot read {host.root}/etc/multipath.conf: Is a directory"


def test_a_multipathd_that_is_too_busy_to_answer_was_not_seen(
    host: SimulatedHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Release 0.9.4 says so, and ends with success."""
    write(tmp_path / "multipathd", "#!/bin/sh\necho timeout\n")
    (tmp_path / "multipathd").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    here = Host(sys=host.root / "sys", proc=host.root / "proc")

    report = collect(here, [], [], lambda _: Answer(status=None, error=None))

    assert report["disks"][0]["reservation_key"]["running"] is None
    assert "what multipathd runs with" in [one["what"] for one in report["not_seen"]]


def test_no_more_than_that_is_known_of_a_host_that_does_not_run(
    tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "proc").mkdir()

    assert main(["report", "--root", str(tmp_path)]) == 0

    report = json.loads(capsys.readouterr().out)
    jsonschema.validate(report, schema())
    assert report["not_seen"][0]["what"] == "helpers and guests"


def test_initiator_ports_are_those_of_fibre_channel_sas_and_iscsi(tmp_path: Path) -> None:
    classes = tmp_path / "class"
    write(classes / "fc_host/host1/port_name", "0x10000090FA000001\n")
    write(classes / "sas_phy/phy-2:0/sas_address", "0x5000000000000002\n")
    write(classes / "sas_phy/phy-2:0:7/sas_address", "0x5000000000000099\n")  # an expander's
    write(classes / "iscsi_session/session3/initiatorname", "iqn.2026-11.example:a\n")
    write(classes / "iscsi_host/host4/initiatorname", "(null)\n")

    ports = initiators.Ports(tmp_path)

    assert ports.all() == {
        *("naa.10000090fa000001", "naa.5000000000000002", "iqn.2026-11.example:a")
    }
    assert ports.of(Path("/sys/devices/pci/host1/rport-1:0-0/target1:0:0/1:0:0:0"), 1) == (
        "naa.10000090fa000001"
    )
    assert ports.of(Path("/sys/devices/platform/host4/session3/target4:0:0/4:0:0:0"), 4) == (
        "iqn.2026-11.example:a"
    )
    assert ports.of(Path("/sys/devices/pci/host9/target9:0:0/9:0:0:0"), 9) is None


def test_each_map_is_asked_once(folder: Path, tmp_path: Path) -> None:
    host = SimulatedHost(folder, "big", 6)
    image = folder / "disk.img"
    for number in range(40):
        names = [f"sd{chr(97 + number // 26)}{chr(97 + number % 26)}{one}" for one in "abcdefgh"]
        for port, name in enumerate(names):
            host.add_disk(image, name, f"60014050{number:024x}", port)
        host.add_map(f"mpath{number}", f"360014050{number:024x}", names, image)
    asked = tmp_path / "asked"

    def ask(question: Question) -> Answer:
        with asked.open("a") as file:  # of another process
            file.write(f"{os.path.basename(question.file)}\n")
        return Answer(status=None, error=None)

    report = collect(Host.below(host.root, [], "/run/s"), [], [], ask)

    assert sorted(asked.read_text().split()) == sorted(f"mpath{number}" for number in range(40))
    assert [len(disk["paths"]) for disk in report["disks"]] == [8] * 40


def test_a_disk_that_hangs_holds_up_no_other() -> None:
    def ask(job: int) -> int:
        while job == 1:
            signal.pause()
        return job * 10

    assert asking.ask_each([0, 1, 2], ask, limit=1) == {0: 0, 2: 20}


def test_a_disk_whose_question_crashes_has_no_answer() -> None:
    def ask(job: int) -> int:
        if job == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        raise ValueError("as if the answer were odd")

    assert asking.ask_each([0, 1], ask) == {}


def test_long_answers_arrive_whole() -> None:
    long = "x" * 1_000_000

    assert asking.ask_each([long] * 3, lambda job: job) == {0: long, 1: long, 2: long}


def test_whoever_reads_the_report_does_not_wait_for_a_disk_that_hangs(tmp_path: Path) -> None:
    """A process in the kernel's hands cannot be killed: here, one that was detached."""
    program = f"""
import os, signal, sys
from qemu_pr.host.asking import ask_each
def ask(job):
    open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
    while True: signal.pause()
os.kill = lambda *_: None  # as if it could not be ended
print(ask_each([0], ask, limit=1), flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)

    assert done.stdout == "{}\n"


def test_a_helper_that_never_answers_is_reported(
    host: SimulatedHost, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking.ask_each, "__defaults__", (lambda _: None, 1))
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(host.socket)
        silent.listen()

        report = host.report(capsys, "--socket", "/run/qemu-pr-helper.sock")

    reasons = [disk["error"]["reason"] for disk in report["disks"]]
    assert reasons == ["it hangs: no answer for 10 s"] * 2


def test_progress_is_shown_without_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    from io import StringIO

    from qemu_pr.cli.report import _asking

    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr("qemu_pr.cli.progress.PATIENCE", 0)

    with _asking() as wait:
        wait(12, 300)

    assert terminal.getvalue() == "\r\033[Kasking disks, 12 of 300 done: 0 s\r\033[K"


def metrics_of(node: SimulatedHost, folder: Path) -> str:
    file = folder / f"{node.name}.prom"
    assert main(["report", "--root", str(node.root), "--metrics", str(file)]) == 0
    return file.read_text()


def test_metrics_tell_who_is_fenced(
    nodes: list[SimulatedHost], folder: Path, capsys: Capture
) -> None:
    fence(nodes[0], 0xC)

    fenced = {node.name: metrics_of(node, folder) for node in nodes}

    labels = f'{{disk="{DISK}",device="/dev/sda"}}'
    assert f"qemu_pr_disk_fenced{labels} 0\n" in fenced["node1"]
    assert f"qemu_pr_disk_fenced{labels} 1\n" in fenced["node3"]
    assert "qemu_pr_helpers 0\n" in fenced["node2"]
    assert capsys.readouterr().out == ""


def test_metrics_are_as_prometheus_reads_them(nodes: list[SimulatedHost], folder: Path) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    text = metrics_of(nodes[0], folder)

    families: dict[str, Any] = {one.name: one for one in text_string_to_metric_families(text)}
    assert len(families["qemu_pr_disk_registration"].samples) == 4
    assert families["qemu_pr_disk_holder"].samples[0].labels["holder"] == nodes[0].port


def test_metrics_are_there_whole_or_not_at_all(nodes: list[SimulatedHost], folder: Path) -> None:
    (folder / "node1.prom").mkdir()

    assert main(["report", "--root", str(nodes[0].root), f"--metrics={folder}/node1.prom"]) == 1

    assert not list(folder.glob(".node1*"))


def test_a_path_that_a_guest_names_cannot_hang_the_report(
    nodes: list[SimulatedHost], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a file system in user space can that never answers."""
    nodes[0].run_guest("mallory", "/dev/hangs")
    monkeypatch.setattr(asking.ask_each, "__defaults__", (lambda _: None, 2))
    real = os.path.realpath

    def realpath(path: Any, **options: Any) -> str:
        while str(path).endswith("/dev/hangs") and os.getpid() != this_process:
            signal.pause()
        return real(path, **options)

    this_process = os.getpid()
    monkeypatch.setattr("os.path.realpath", realpath)

    guests = {one["name"]: one["disks"] for one in nodes[0].report(capsys)["guests"]}

    assert guests == {"alice": ["/dev/sda"], "mallory": []}
