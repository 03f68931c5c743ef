"""Many hosts together: the matrix, each kind of finding, and reports that are not what they say."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qemu_pr.cli.qemu_pr import main
from qemu_pr.fleet.findings import KINDS, findings
from qemu_pr.fleet.matrix import Fleet
from qemu_pr.fleet.schema import fault, schema
from simulated_hosts import SimulatedHost, fence
from written_reports import DISK, disk, helper, port, registration, report, status, texts

Capture = pytest.CaptureFixture[str]
Reports = list[dict[str, Any]]


@pytest.fixture
def show(tmp_path: Path, capsys: Capture) -> Callable[..., tuple[int, str, str]]:
    """Run qemu-pr fleet on reports; give its exit status, output and errors."""

    def run(*reports: dict[str, Any] | str, options: tuple[str, ...] = ()) -> tuple[int, str, str]:
        folder = tmp_path / "reports"
        folder.mkdir()
        for number, one in enumerate(reports):
            text = one if isinstance(one, str) else json.dumps(one)
            (folder / f"{number}.json").write_text(text)
        exit_status = main(["fleet", str(folder), *options])
        printed = capsys.readouterr()
        return exit_status, printed.out, printed.err.replace(f"{folder}/", "")

    return run


def collect(nodes: list[SimulatedHost], folder: Path, capsys: Capture) -> str:
    """Report all nodes; give the directory of their reports."""
    (folder / "reports").mkdir(exist_ok=True)
    for node in nodes:
        (folder / f"reports/{node.name}.json").write_text(json.dumps(node.report(capsys)))
    return str(folder / "reports")


def test_three_hosts_a_stale_key_a_host_without_helper_and_a_fenced_one(
    nodes: list[SimulatedHost], folder: Path, capsys: Capture
) -> None:
    fence(nodes[0], 0xC)

    exit_status = main(["fleet", collect(nodes, folder, capsys)])

    head, row, *_not_seen, fenced, stale, no_helper = capsys.readouterr().out.splitlines()
    assert exit_status == 1
    assert head.split() == ["DISK", "RESERVATION", "node1", "node2", "node3"]
    assert [cell.strip() for cell in row.split("  ") if cell] == [
        DISK,
        "node1: Write Exclusive, registrants only",
        "holds 1/1 alice",
        "registered 1/1 bob",
        "FENCED 0/1 carol",
    ]
    assert fenced.startswith(f"fenced: node3: guest carol may not write to {DISK} (/dev/sda)")
    assert stale.startswith(f"stale-registration: {DISK}: key 0xd is registered from naa.")
    assert no_helper.startswith("no-helper: node2: no helper answers, and guest bob needs one")
    assert [line.partition(":")[0] for line in _not_seen] == ["Not seen on node2"]


def test_what_it_says_of_a_stale_key_removes_it(
    nodes: list[SimulatedHost], folder: Path, capsys: Capture
) -> None:
    main(["fleet", collect(nodes, folder, capsys)])
    (line,) = [one for one in capsys.readouterr().out.splitlines() if one.startswith("stale")]

    command = line.partition("run on node1: qemu-pr ")[2].split()
    command[-1] = f"{nodes[0].root}{command[-1]}"
    assert main([*command, "--socket", nodes[0].socket]) == 0

    main(["fleet", collect(nodes, folder, capsys)])
    assert "stale" not in capsys.readouterr().out


def test_hosts_that_are_well_have_no_findings(show: Any) -> None:
    told = status(registration(1, 0xA), registration(2, 0xB))

    exit_status, out, err = show(
        report(1, disk(1, told), guests="alice"), report(2, disk(2, told), guests="bob")
    )

    assert (exit_status, err) == (0, "")
    assert out.splitlines()[-1] == "No findings on 2 hosts"


KEYS = {"running": None, "remembered": None}
HANGS = {"exit_status": None, "reason": "it hangs", "advice": ""}
TWO = status(registration(1, 0xA), registration(2, 0xB))
EXAMPLES: dict[str, Reports] = {
    "fenced": [
        report(1, disk(1, status(registration(1, 0xA))), guests="alice"),
        report(2, disk(2, None), guests="bob"),
    ],
    "stale-registration": [report(1, disk(1, TWO), guests="alice")],
    "registered-elsewhere": [
        report(1, disk(1, TWO), guests="alice"),
        report(2, disk(2, None)),
    ],
    "same-key": [
        report(1, disk(1, status(registration(1, 0xA), registration(2, 0xA)))),
        report(2, disk(2, None)),
    ],
    "partly-registered": [report(1, disk(1, status(registration(1, 0xA)), paths=2))],
    "reservation-key-differs": [
        report(1, disk(1, None, reservation_key={"configured": "file", **KEYS})),
        report(2, disk(2, None, reservation_key={"configured": None, **KEYS})),
    ],
    "no-helper": [report(1, disk(1, status(registration(1, 0xA))), helpers=[])],
    "helper-versions": [report(1), report(2, helpers=[helper("0.2.0")])],
    "shared-nexus": [report(1, disk(1, status(registration(1, 0xA))), guests="alice bob")],
    "same-port": [report(1), report(2, initiators=[port(1)])],
    "no-answer": [report(1, disk(1, None, error=HANGS)), report(2, disk(2, None))],
    "reported-twice": [report(1), report(1)],
    "old-report": [report(1), report(2, time="2026-11-26T22:59:59Z")],
}


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS])
def test_each_kind_is_found_and_nothing_else(kind: str) -> None:
    reports = EXAMPLES[kind]
    for one in reports:
        assert fault(one) == ""

    assert [one.kind for one in findings(Fleet(reports))] == [kind]  # type: ignore[arg-type]


NO_FINDINGS: dict[str, Reports] = {
    "fixed keys that differ": [
        report(1, disk(1, None, reservation_key={"configured": "0x1", **KEYS})),
        report(2, disk(2, None, reservation_key={"configured": "0x2", **KEYS})),
    ],
    "libvirt starts the helper with a guest": [
        report(1, disk(1, status(registration(1, 0xA))), guests="alice"),
        report(2, disk(2, None), helpers=[], libvirt=True),
    ],
    "a disk without reservations": [
        report(1, disk(1, None, error={"exit_status": 9, "reason": "", "advice": ""})),
        report(2, disk(2, None)),
    ],
    "registered for all target ports": [
        report(1, disk(1, status(registration(1, 0xA, all_tg_pt=True)), paths=4))
    ],
    "Linux' target since 6.12 has no port numbers": [
        report(1, disk(1, status(registration(1, 0xA, 0), registration(1, 0xA, 0)), paths=2))
    ],
    "an iSCSI session": [
        report(
            1,
            disk(
                1,
                status(registration(1, 0xA, initiator="iqn.2026-11.example:a,i,0x00023d000001")),
                paths=0,
            ),
            initiators=["iqn.2026-11.example:a"],
        )
    ],
    "a host whose sysfs does not name its ports": [
        report(1, disk(1, TWO), guests="alice"),
        report(
            2,
            disk(2, None) | {"paths": [disk(2, None)["paths"][0] | {"initiator": None}]},
            initiators=[],
            guests="bob",
        ),
    ],
    "settings of multipath that only root may read": [
        report(1, disk(1, None, reservation_key={"configured": "file", **KEYS})),
        report(
            2,
            disk(2, None, reservation_key={"configured": None, **KEYS}),
            not_seen=[{"what": "multipath's settings", "why": "", "advice": ""}],
        ),
    ],
    "all paths of a host that is registered are down": [
        report(1, disk(1, TWO), guests="alice"),
        report(
            2,
            disk(2, None) | {"paths": [disk(2, None)["paths"][0] | {"state": "offline"}]},
            guests="bob",
        ),
    ],
    "reports of the same hour": [report(1), report(2, time="2026-11-26T23:00:00Z")],
    "the answer had no room for all": [
        report(1, disk(1, status(registration(1, 0xA)) | {"complete": False}), guests="alice"),
        report(2, disk(2, None), guests="bob"),
    ],
}


@pytest.mark.parametrize("case", NO_FINDINGS)
def test_what_only_looks_wrong_is_no_finding(case: str) -> None:
    assert findings(Fleet(NO_FINDINGS[case])) == []  # type: ignore[arg-type]


def test_a_guest_whose_registered_path_is_down_is_fenced_on_the_others() -> None:
    paths = disk(2, None, 2)["paths"]
    paths[1]["state"] = "offline"
    told = status(registration(1, 0xA), registration(2, 0xB, target=2))
    reports = [
        report(1, disk(1, told), guests="alice"),
        report(2, disk(2, None) | {"paths": paths}, guests="bob"),
    ]

    (found,) = findings(Fleet(reports))  # type: ignore[arg-type]

    assert (found.kind, found.hosts) == ("fenced", ("node2",))
    assert "no path that works is registered" in found.what


def test_a_stale_key_that_a_living_host_has_as_well_is_not_to_be_preempted() -> None:
    told = status(registration(1, 0xA), registration(2, 0xB), registration(9, 0xB))
    reports = [report(1, disk(1, told), guests="alice"), report(2, disk(2, None), guests="bob")]

    (found,) = findings(Fleet(reports))  # type: ignore[arg-type]

    assert found.kind == "stale-registration"
    assert "first give node2 another key" in found.advice
    assert "--preempt" not in found.advice


def test_hosts_are_in_the_order_in_which_people_count() -> None:
    reports = [report(host) for host in (10, 2, 1)]

    assert list(Fleet(reports).reports) == ["node1", "node2", "node10"]  # type: ignore[arg-type]


def test_a_disk_of_one_host_is_left_out(show: Any) -> None:
    _, out, _ = show(report(1, disk(1, None)))

    assert out == "No findings on 1 host\n"


def test_json_has_the_same(show: Any) -> None:
    exit_status, out, _ = show(*EXAMPLES["fenced"], options=("--json",))

    shown = json.loads(out)
    assert exit_status == 1
    assert shown["disks"][0]["hosts"]["node2"]["fenced"] is True
    assert shown["disks"][0]["holders"] == ["node1"]
    assert [one["kind"] for one in shown["findings"]] == ["fenced"]


def test_reports_come_one_behind_the_other_on_standard_input(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(texts(*EXAMPLES["fenced"]).encode()))
    monkeypatch.setattr("sys.stdin", stream)

    assert main(["fleet", "-"]) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("fenced: node2")


DEEP = "[" * 100_000
DAMAGED = {
    "": "it is empty",
    "hello": "it is no JSON: Expecting value",
    '{"report": 1': "it is no JSON",
    DEEP: "it is no JSON: it is nested too deeply",
    "[]": "it is no report: it is no object",
    '{"report": 2}': "another program wrote it in format 2, and qemu-pr ",
    json.dumps(report(1, report=2)): "qemu-pr 0.1.0 wrote it in format 2, and qemu-pr ",
    json.dumps(report(1, report=True)): "it is no report: report: it is not 1",
    json.dumps(report(1) | {"host": 7}): "it is no report: host: it is no string",
    json.dumps(report(1) | {"host": "x" * 300}): "host: it has more than 255 characters",
    json.dumps(report(1) | {"time": "soon"}): "time: it is not like",
    json.dumps(report(1, time="2026-02-30T00:00:00Z")): "it is no report: time: day ",
    json.dumps(report(1, disk(1, {}))): "disks[0].status: it has no prgeneration",
    '{"report": NaN}': "it is no JSON: NaN is no number",
    '{"report": 1' + "0" * 10_000 + "}": "it is no JSON: Exceeds the limit",
}


@pytest.mark.parametrize("text", DAMAGED, ids=[text[:20] for text in DAMAGED])
def test_a_damaged_report_costs_itself_only(show: Any, text: str) -> None:
    exit_status, out, err = show(*EXAMPLES["fenced"], text)

    assert exit_status == 2
    assert err.startswith("qemu-pr: fleet: 2.json: ")
    assert DAMAGED[text] in err
    assert err.count("\n") == 1
    assert out.splitlines()[-1].startswith("fenced: node2")


def test_what_follows_a_damaged_report_is_read(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = texts(report(1)) + '{"report": 1, "cut\n' + texts(report(2))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    assert main(["fleet", "-"]) == 2

    printed = capsys.readouterr()
    assert printed.out == "No findings on 2 hosts\n"
    assert printed.err.startswith("qemu-pr: fleet: standard input, report 2: it is no JSON")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/nosuch", "cannot read it: No such file or directory"),
        ("/proc/self/fd", "there is no file in it whose name ends in .json"),
    ],
)
def test_what_cannot_be_read_is_told(path: str, why: str, capsys: Capture) -> None:
    assert main(["fleet", path]) == 2
    assert capsys.readouterr().err == f"qemu-pr: fleet: {path}: {why}\n"


def test_without_a_report_nothing_is_said_to_be_well(tmp_path: Path, capsys: Capture) -> None:
    assert main(["fleet", str(tmp_path)]) == 2

    assert capsys.readouterr().out == ""


def test_no_report_is_replaced_by_the_page(tmp_path: Path, capsys: Capture) -> None:
    """As qemu-pr fleet --html reports/*.json would."""
    file = tmp_path / "1.json"
    file.write_text(texts(report(1)))

    with pytest.raises(SystemExit, match="1"):
        main(["fleet", "--html", str(file), str(file)])

    assert file.read_text() == texts(report(1))
    assert "a report has such a name; name a page *.html" in capsys.readouterr().err


def test_a_page_that_cannot_be_written_does_not_keep_the_matrix_back(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text(texts(report(1)))

    done = subprocess.run(
        [sys.executable, "-m", "qemu_pr", "fleet", "--html", tmp_path, tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (1, "No findings on 1 host\n")
    assert done.stderr == f"qemu-pr: {tmp_path}: Is a directory\n"


def test_a_byte_order_mark_is_no_fault(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "1.json").write_text(texts(report(1)), "utf-8-sig")

    assert main(["fleet", str(tmp_path)]) == 0


def test_a_pipe_that_nobody_writes_to_is_not_waited_for(tmp_path: Path, capsys: Capture) -> None:
    os.mkfifo(tmp_path / "pipe.json")

    assert main(["fleet", str(tmp_path)]) == 2
    assert "it is empty" in capsys.readouterr().err


def test_no_report_speaks_to_the_terminal(show: Any) -> None:
    evil = "\033]0;owned\007\u202e"
    reports = [report(1, disk(1, None), guests="alice"), report(2, disk(2, None), host=evil)]

    _, out, err = show(*reports)

    assert "\\x1b]0;owned\\x07" in out
    assert all(char.isprintable() or char == "\n" for char in out + err)


def test_no_report_writes_into_the_page(tmp_path: Path, capsys: Capture) -> None:
    evil = "<script>alert(1)</script>\"'&$heads${rows}"
    told = status(registration(1, 0xA, initiator=evil))
    reports = [
        report(
            1,
            disk(1, told, identity=evil, device=evil, error={**HANGS, "reason": evil}),
            guests="x",
            host=evil,
        ),
        report(2, disk(2, None, identity=evil), helpers=[helper(evil)]),
    ]
    reports[0]["guests"][0] |= {"name": evil, "disks": [evil]}
    (tmp_path / "reports.json").write_text(texts(*reports))

    main(["fleet", f"{tmp_path}/reports.json", f"--html={tmp_path}/page.html"])

    page = (tmp_path / "page.html").read_text()
    assert page.count("<script") == 1
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;$heads${rows}" in page


def test_the_page_loads_nothing(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "reports.json").write_text(texts(*EXAMPLES["fenced"]))

    main(["fleet", f"{tmp_path}/reports.json", f"--html={tmp_path}/page.html"])

    page = (tmp_path / "page.html").read_text()
    assert "default-src 'none'" in page
    assert not [one for one in ("://", " src=", " href=", "url(", "@import") if one in page]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 1 << 70) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@st.composite
def _changed(draw: st.DrawFn) -> Any:
    """A sound report with some value of it replaced, or taken away."""
    value = json.loads(json.dumps(EXAMPLES["reservation-key-differs"][0]))
    value["disks"][0]["status"] = json.loads(json.dumps(TWO))
    value["not_seen"] = [{"what": "a", "why": "b", "advice": "c"}]
    place = value
    while True:
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
            place = place[key]
            continue
        if draw(st.booleans()):
            place[key] = draw(_JSON)
        else:
            del place[key]
        return value


@given(_changed())
def test_our_reader_of_the_schema_agrees_with_jsonschema(value: Any) -> None:
    ours = fault(value) == ""

    assert ours == jsonschema.Draft202012Validator(schema()).is_valid(value)


@given(_changed())
def test_whatever_the_schema_lets_pass_can_be_shown(value: Any) -> None:
    if fault(value) == "":
        findings(Fleet([value, EXAMPLES["fenced"][1]]))  # type: ignore[list-item]
