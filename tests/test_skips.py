"""What skipped tests need is told in one line, and in another how many slow ones were left out."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent

TESTS = """\
import pytest
from requirements import require, unavailable

@pytest.mark.parametrize("number", range(100))
def test_needs_two_programs(number):
    require("no-such-program", "package-b")

def test_needs_another():
    require("no-such-program", "package-a")

@pytest.mark.parametrize("number", range(3))
def test_needs_a_device(number):
    unavailable("there is no disk here")
"""


def run_pytest(folder: Path, *options: str) -> list[str]:
    """Run the tests of a folder with what holds for all tests, and give the lines it prints."""
    pytest_here = [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*pytest_here, *options, folder],
        env=os.environ | {"PYTHONPATH": str(HERE), "QEMU_PR_REQUIRE_ALL": ""},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    return done.stdout.splitlines()


def test_skips_are_told_by_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)

    lines = run_pytest(tmp_path)

    assert [line for line in lines if " skipped" in line][:-1] == [
        "3 skipped: there is no disk here",
        "101 skipped, to run them: apt-get install package-a package-b",
    ]


SLOW = """\
import pytest

@pytest.mark.slow
@pytest.mark.parametrize("number", range(3))
def test_is_slow(number):
    pass

def test_is_quick():
    pass
"""


def test_how_many_slow_ones_are_left_out_is_told(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(SLOW)

    *_, told, last = run_pytest(tmp_path, "-m", "not slow", "-n", "1")

    assert told == "3 slow left out, to run them: make test ALL=1"
    assert "1 passed" in last


def test_of_those_that_are_asked_for_none_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(SLOW)

    lines = run_pytest(tmp_path, "-k", "slow")

    assert "3 passed, 1 deselected" in lines[-1]
    assert not [line for line in lines if "left out" in line]
