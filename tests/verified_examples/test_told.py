"""What a page tells of its examples is true of the build that rendered it."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sphinx.cmd.build import main as sphinx_build

from qemu_pr.verified_examples.results import note_lab_run

CONF = """\
extensions = ["qemu_pr.verified_examples"]
verify_results = "../build/verify/results.json"
verify_lab_results = "../build/lab"
"""
PAGE = """\
Page
====

.. console::

   $ echo one
   one

.. console::
   :requires: no-such-program (no-such-package)

   $ no-such-program

.. console-in-lab:: host

   $ ls /dev/sdb
   /dev/sdb

.. verified:: sh
   :printed-by: echo two

   two

.. console::
   :hide:

   $ echo hidden
   hidden
"""


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/conf.py").write_text(CONF)
    monkeypatch.chdir(tmp_path)

    def build(page: str, *builders: str) -> list[str]:
        """Build a manual of one page; give what the page tells of its examples."""
        (tmp_path / "docs/index.rst").write_text(page)
        for builder in builders:
            options = ["-q", "-W", "-d", "build/doctrees", "-b", builder]
            assert sphinx_build([*options, "docs", f"build/{builder}"]) == 0
        html = (tmp_path / "build/html/index.html").read_text()
        return re.findall(r'<p class="of-examples?">(.*?)</p>', html)

    return build


def test_what_was_not_run_is_told_with_the_reason(build: Callable[..., list[str]]) -> None:
    assert build(PAGE, "verify", "html") == [
        "This build did not run it: no-such-program is not installed:"
        " on Debian, apt-get install no-such-package.",
        "This build did not run it: it takes the lab.",
        "This build ran 2 of the 4 examples on this page.",
    ]


def test_without_a_verification_nothing_is_said_to_have_run(
    build: Callable[..., list[str]],
) -> None:
    told = build(PAGE, "html")

    assert told == [
        *["This build did not run it."] * 4,
        "This build ran none of the 4 examples on this page.",
    ]


@pytest.mark.parametrize(
    ("run", "of", "told"),
    [
        (3, 3, "ran all 3 examples"),
        (1, 3, "ran 1 of the 3 examples"),
        (0, 3, "ran none of the 3 examples"),
        (1, 1, "ran the example"),
        (0, 1, "did not run the example"),
    ],
)
def test_a_page_counts_its_examples(
    build: Callable[..., list[str]], run: int, of: int, told: str
) -> None:
    ran = ">>> 1\n1\n\n" * run
    left = ".. not-verified:: sh\n   :because: nobody can\n\n   true\n\n" * (of - run)

    *_, last = build(f"Page\n====\n\n{ran}{left}", "verify", "html")

    assert last == f"This build {told} on this page."


def test_an_example_that_changed_since_counts_as_not_run(build: Callable[..., list[str]]) -> None:
    build(PAGE, "verify", "html")

    told = build(PAGE.replace("one", "ONE"), "html")

    assert told[0] == "This build did not run it."
    assert told[-1] == "This build ran 1 of the 4 examples on this page."


def test_pages_follow_the_results_without_a_change_of_their_own(
    build: Callable[..., list[str]], tmp_path: Path
) -> None:
    build(PAGE, "verify", "html")
    shutil.rmtree(tmp_path / "build/verify")

    told = build(PAGE, "html")

    assert told[-1] == "This build ran none of the 4 examples on this page."


def test_what_the_lab_ran_is_told_with_date_and_releases(
    build: Callable[..., list[str]], tmp_path: Path
) -> None:
    (tmp_path / "build/lab/disks").mkdir(parents=True)
    transcript = "$ ls /dev/sdb\n/dev/sdb\n"  # as a page's HTML has it
    note_lab_run(tmp_path / "build/lab/disks", transcript, "2026-11-26", "QEMU 7.2.22")

    told = build(PAGE, "verify", "html")

    assert told[1] == "Run in the lab: 2026-11-26, QEMU 7.2.22."


def test_a_line_below_a_block_with_a_caption_is_below_all_of_it(
    build: Callable[..., list[str]], tmp_path: Path
) -> None:
    build(PAGE, "html")

    html = (tmp_path / "build/html/index.html").read_text()
    captioned = html[html.index("code-block-caption") :]
    assert re.search(r'</div>\s*</div>\s*</div>\s*<p class="of-example">', captioned)


def test_a_manual_that_does_not_ask_tells_nothing(
    build: Callable[..., list[str]], tmp_path: Path
) -> None:
    (tmp_path / "docs/conf.py").write_text('extensions = ["qemu_pr.verified_examples"]\n')

    assert build(PAGE, "verify", "html") == []


def test_the_results_are_the_same_each_time(
    build: Callable[..., list[str]], tmp_path: Path
) -> None:
    """Else every page would be rendered anew."""
    build(PAGE, "verify", "html")
    first = json.loads((tmp_path / "build/verify/results.json").read_text())

    build(PAGE, "verify")

    assert json.loads((tmp_path / "build/verify/results.json").read_text()) == first
