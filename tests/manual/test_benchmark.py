"""The page of figures: drawn from what make bench wrote, never typed in."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from qemu_pr.manual.benchmark import plot, table

LATENCY = {
    "name": "1 client: latency",
    "unit": "us",
    "target": 0.5,
    "more_is_better": False,
    "ours": [20.0, 22.0, 24.0],
    "theirs": [80.0, 88.0, 96.0],
    "other": "C helper",
    "ratio": 0.25,
    "is_met": True,
}
THROUGHPUT = LATENCY | {
    "name": "64 clients: throughput <1>",
    "unit": "commands/s",
    "target": 1.2,
    "more_is_better": True,
    "ratio": 0.5,
    "is_met": False,
}
START = LATENCY | {"name": "start", "other": "python3"}
FOUND = {"machine": "2 processors", "rows": [LATENCY, THROUGHPUT, START]}


def build(folder: Path) -> str:
    """Build a page with the directive; give its HTML."""
    (folder / "conf.py").write_text('extensions = ["qemu_pr.manual.benchmark"]\n')
    (folder / "index.rst").write_text(
        "Title\n=====\n\n.. benchmark:: bench.json\n\n   Read them so.\n"
    )
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", ".", "build"]
    subprocess.run(command, cwd=folder, check=True)
    return (folder / "build/index.html").read_text()


def test_without_figures_the_page_says_how_to_make_them(tmp_path):
    page = build(tmp_path)

    assert "This manual was built without figures." in page
    assert "Read them so." not in page


def test_new_figures_are_shown_without_being_asked_for(tmp_path):
    build(tmp_path)
    (tmp_path / "bench.json").write_text(json.dumps(FOUND))

    page = build(tmp_path)

    assert "without figures" not in page
    assert "Measured on: 2 processors." in page
    assert "Read them so." in page
    assert "1 client: latency, us" in page
    assert page.count("<svg") == 1


def test_the_table_has_medians_spreads_and_what_was_missed():
    rows = [line.strip() for line in table(FOUND).splitlines()]

    assert "- 22 (21 to 23)" in rows
    assert "- C helper: 88 (84 to 92)" in rows
    assert "- at most 0.5" in rows
    assert "- at least 1.2 (missed)" in rows


def test_the_plot_has_a_bar_to_the_right_for_what_is_better_and_one_to_the_left_for_what_is_worse():
    drawing = ElementTree.fromstring(plot(FOUND))
    better, worse = drawing.findall("rect")
    one = next(float(text.get("x")) for text in drawing.findall("text") if text.text == "1")

    assert float(better.get("x")) == one
    assert float(better.get("width")) > float(worse.get("width"))
    assert float(worse.get("x")) + float(worse.get("width")) == pytest.approx(one, abs=0.2)


def test_the_plot_compares_with_qemus_helper_only():
    names = [text.text for text in ElementTree.fromstring(plot(FOUND)).findall("text")]

    assert "64 clients: throughput <1>" in names
    assert "start" not in names
