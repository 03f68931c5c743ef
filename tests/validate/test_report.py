"""What `qemu-pr validate` prints and writes, for people, programs and vendors."""

import re
from html.parser import HTMLParser

from qemu_pr.scsi.commands import InServiceAction, PersistentReserveIn
from qemu_pr.scsi.parameter_data import ReadKeys

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


def test_a_report_that_cannot_be_written_is_told_of(validate):
    done = validate("--report=/proc/none", "--profile=live-migration")

    assert done.status == 2
    assert "/proc/none: cannot write the report: No such file or directory; name another" in (
        done.stderr
    )
