"""What `qemu-pr validate` prints and writes, for people, programs and vendors."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from qemu_pr.scsi.commands import InServiceAction, PersistentReserveIn
from qemu_pr.scsi.parameter_data import ReadKeys
from validating import validate_disk

VOID = {"meta", "br", "line", "path", "rect"}


class Page(HTMLParser):
    """A page whose elements are all closed, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.details = 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.details += tag == "details"
        self.loads += [value for name, value in attrs if name == "src"]
        self.loads += [tag] if tag in ("link", "script", "img") else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


def test_a_line_a_check_then_the_summary(validate):
    done = validate("--profile=live-migration", "--skip=type-5")

    *lines, empty, _disk, counts, verdict = done.stdout.splitlines()
    assert all(re.match("ok        |left out  |deviates  ", line) for line in lines)
    assert "left out  type-5: --skip" in lines
    assert (empty, counts) == ("", f"{len(lines)} checks: {len(lines) - 2} ok, 2 left out")
    assert verdict == "live-migration: not shown: type-5 was left out: --skip"


def test_a_verdict_names_the_consequence_and_the_cause(validate):
    done = validate("--profile=pacemaker", "--quirk=preempt-keeps")

    [verdict] = [line for line in done.stdout.splitlines() if line.startswith("pacemaker: ")]
    assert verdict.startswith(
        "pacemaker: does not work: a host that was fenced goes on writing, because after PREEMPT"
        " (type 5, own key K1, key K2) by DISK, READ KEYS by PEER: it tells the keys K1, K2, and"
        " should tell the key K1 (preempt-registrant; SPC-4, 5.12.11.2.4); "
    )


def test_json_has_every_byte(validate):
    certificate = validate("--json", "--profile=live-migration").certificate

    step = certificate["checks"][1]["steps"][2]
    assert step["command"] == "READ KEYS"
    assert step["cdb"] == PersistentReserveIn(InServiceAction.READ_KEYS, 8192).encode().hex()
    [key] = ReadKeys.decode(bytes.fromhex(step["answer"]["data"])).keys
    assert f"{key:#x}" == certificate["keys"]["K1"]
    assert certificate["disk"]["transport"] == "SAS"
    assert certificate["nexuses"]["PEER"]["writes"] == "COMPARE AND WRITE of one block"
    assert [one["initiator"] for one in certificate["nexuses"]["DISK"]["ports"]] == [
        "naa.5000000000000001"
    ]


def test_json_does_not_have_what_the_disk_holds(validate):
    checks = validate("--json", "--profile=live-migration").certificate["checks"]

    medium = [
        step for check in checks for step in check["steps"] if step["command"] in ("read", "write")
    ]
    assert medium
    assert {step["data_out"] for step in medium} == {"", "1024 bytes"}
    assert {step["answer"]["data"] for step in medium} == {""}


def test_the_page_is_whole_and_loads_nothing(validate, tmp_path):
    report = tmp_path / "report.html"

    done = validate("--json", "--report", str(report), "--quirk=no-attention")

    page = Page(report.read_text())
    assert page.open == []
    assert page.loads == []
    assert page.details == len(done.certificate["checks"])
    assert report.read_text().count("<details open>") == 1


def test_a_report_that_cannot_be_written_is_told_of_before_anything_is_sent(validate):
    done = validate("--report=/proc/none", "--profile=live-migration")

    assert (done.status, done.stdout) == (2, "")
    assert "/proc/none: cannot write the report: No such file or directory; name another" in (
        done.stderr
    )


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_report_that_finds_no_room_takes_nothing_else_away(validate):
    done = validate("--report=/dev/full", "--profile=live-migration")

    assert done.status == 2
    assert done.stdout.endswith("live-migration: works\n")
    assert "/dev/full: cannot write the report: No space left on device; name another" in (
        done.stderr
    )


def test_a_report_is_not_written_over_the_disk(validate, disk):
    before = disk.read_bytes()

    done = validate("--report", disk)

    assert f"{disk}: it is a disk, and no place for the report; name another" in done.stderr
    assert disk.read_bytes() == before


def test_a_report_of_an_earlier_run_is_kept_if_nobody_agrees_to_another(disk, state, tmp_path):
    report = tmp_path / "report.html"
    report.write_text("earlier")

    validate_disk(disk, f"--simulate={state}", f"--report={report}")

    assert report.read_text() == "earlier"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_no_room_for_the_output_is_not_taken_for_a_disk_that_deviates(disk, state):
    command = [sys.executable, "-m", "qemu_pr", "validate", disk, "--simulate", state, "--yes"]

    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)

    assert done.stderr == "qemu-pr: output: No space left on device\n"
    assert done.returncode == 2


def test_without_a_peer_one_line_tells_what_was_left_out(disk, start_helper):
    done = validate_disk(disk, f"--socket={start_helper(1)}", "--yes")

    told = [line for line in done.stdout.splitlines() if "there is no PEER" in line]
    assert len(told) == 1 + 3, told
    assert told[0].startswith("left out  ")
    assert told[3].startswith("live-migration: not shown: same-disk, two-nexuses, type-5, ")
