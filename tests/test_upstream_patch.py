"""The patch for QEMU's page: it applies, and what it would say is what our programs say."""

import re
import subprocess
from pathlib import Path

import pytest

from qemu_pr.command_line.formats import shell_text
from qemu_pr.command_line.model import ReservedDisks
from qemu_pr.lint.check import check
from qemu_pr.multipath_conf.check import Surroundings
from qemu_pr.multipath_conf.check import check as check_multipath_conf
from qemu_pr.multipath_conf.configuration import Configuration, File
from requirements import require

ROOT = Path(__file__).parents[1]
(PATCH,) = (ROOT / "packaging/upstream").glob("*.patch")
NAME = "docs/system/pr-manager.rst"

# A hunk's head, and what it says of lines: "-36,25 +36,33".
HUNK = re.compile(r"^@@ -(\d+),\d+ \+\d+,\d+ @@.*\n((?:[ +-].*\n|\n)+)", re.MULTILINE)
# A block begins behind a paragraph that ends in two colons, and is further in.
BLOCK = re.compile(r"::\n\n((?: +.*\n|\n(?= ))+)")


def sides() -> list[tuple[int, list[str], list[str]]]:
    """Each hunk: at which line of the old page it begins, its lines there, and its new lines."""
    return [
        (
            int(start),
            [line[1:] for line in body.splitlines() if not line.startswith("+")],
            [line[1:] for line in body.splitlines() if not line.startswith("-")],
        )
        for start, body in HUNK.findall(PATCH.read_text())
    ]


@pytest.fixture
def qemu(tmp_path: Path) -> Path:
    """A directory with as much of the page as the patch has, at its lines."""
    page: list[str] = []
    for start, old, _ in sides():
        page += [f"(line {number})" for number in range(len(page) + 1, start)] + old
    (tmp_path / NAME).parent.mkdir(parents=True)
    (tmp_path / NAME).write_text("".join(f"{line}\n" for line in page))
    return tmp_path


def blocks() -> list[str]:
    """The blocks that the page has afterwards, as readers see them."""
    text = "\n".join(line for _, _, new in sides() for line in [*new, ""])
    found = []
    for block in BLOCK.findall(text):
        lines = block.rstrip("\n").split("\n")
        indent = min(len(line) - len(line.lstrip()) for line in lines if line)
        found.append("\n".join(line[indent:] for line in lines))
    return found


def test_git_applies_it_to_the_lines_that_it_carries(qemu: Path) -> None:
    git = [require("git", package="git"), "-C", str(qemu), "apply", "--verbose"]

    done = subprocess.run([*git, str(PATCH)], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    page = (qemu / NAME).read_text()
    assert all("\n".join(new) in page for _, _, new in sides())
    assert "offset" not in done.stderr


def test_its_command_lines_are_those_that_the_program_prints_blockdev_first() -> None:
    commands = [block.removeprefix("$ ") for block in blocks() if block.startswith("$ ")]

    disk = ReservedDisks(("/dev/sdb",))
    assert commands == [shell_text(disk, "blockdev"), shell_text(disk, "drive")]


def test_its_command_lines_are_those_of_our_page() -> None:
    page = (ROOT / "docs/pr-manager.rst").read_text()
    shown = {line.strip() for line in page.splitlines()}

    for command in (block for block in blocks() if block.startswith("$ ")):
        assert {line.strip() for line in command.removeprefix("$ ").splitlines()} <= shown


def test_lint_finds_nothing_in_the_new_page_and_six_lines_in_the_old_one() -> None:
    new, old = (
        "\n".join(line for hunk in sides() for line in [*hunk[side], ""]) for side in (2, 1)
    )

    assert [report.findings for report in check(new)] == [(), ()]
    found = [one.fault.name for report in check(old) for one in report.findings]
    assert found == 6 * ["missing-backslash"]


def test_its_multipath_conf_has_nothing_to_complain_about() -> None:
    found = [block for block in blocks() if "reservation_key" in block]
    assert len(found) == 1  # the other one goes on behind the patch's context

    for text in found:
        read = Configuration.of([File.parse("multipath.conf", text + "\n")])
        assert check_multipath_conf(read, Surroundings()) == []
        assert read.default is not None


def test_nobody_has_signed_it_off() -> None:
    text = PATCH.read_text()

    assert text.startswith("From 0")
    assert re.search(r"^Subject: \[PATCH\] docs/system/pr-manager: ", text, re.MULTILINE)
    assert "Signed-off-by" not in text


def test_it_carries_no_more_of_the_page_than_the_context_that_git_needs() -> None:
    for body in (body for _, body in HUNK.findall(PATCH.read_text())):
        unchanged = re.findall(r"(?:^ .*\n)+", body, re.MULTILINE)
        assert max(run.count("\n") for run in unchanged) <= 6
