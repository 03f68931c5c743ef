"""The manual says what is true: its examples, by our builder and by pytest-sphinx."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PAGES = sorted(page.relative_to(ROOT) for page in (ROOT / "docs").rglob("*.rst"))

# Where a page's Python leans on set-up that pytest-sphinx does not know, our builder alone runs it.
HAS_PYTHON = re.compile(r"^ *(>>> |\.\. testcode::)", re.MULTILINE)
NEEDS_BUILDER = re.compile(r"^ *\.\. testsetup::", re.MULTILINE)


def runs_under_pytest(page):
    text = (ROOT / page).read_text()
    return HAS_PYTHON.search(text) and not NEEDS_BUILDER.search(text)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    build = tmp_path_factory.mktemp("build")
    return subprocess.run(
        [sys.executable, "-m", "sphinx", "-nWq", "-c.", "-bverify", "docs", build],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.timeout(600)
def test_the_manual_builds_without_a_warning(report):
    assert report.returncode == 0, report.stdout
    assert re.search(
        r"^[1-9]\d* blocks verified,.* 0 unmarked, 0 failed$", report.stdout, re.MULTILINE
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_example_of_a_page_is_true(report, page):
    # A note is a line with its place, and the indented lines below it.
    notes = re.findall(rf"^{re.escape(str(page))}:\d+: .*\n(?: .*\n)*", report.stdout, re.MULTILINE)

    untrue = [note for note in notes if re.match(r"\S+ (failed|unmarked): ", note)]

    assert not untrue, "\n" + "".join(untrue)


@pytest.mark.parametrize("page", list(filter(runs_under_pytest, PAGES)), ids=str)
def test_python_examples_are_true_under_pytest_sphinx_too(page, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-pno:cacheprovider", "--doctest-glob=*.rst", ROOT / page],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    assert done.returncode == 0, done.stdout
