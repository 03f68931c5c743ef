"""What skipped tests need is told in one line, however many they are."""

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


def test_skips_are_told_by_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", tmp_path],
        env=os.environ | {"PYTHONPATH": str(HERE), "QEMU_PR_REQUIRE_ALL": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert [line for line in done.stdout.splitlines() if " skipped" in line][:-1] == [
        "3 skipped: there is no disk here",
        "101 skipped, to run them: apt-get install package-a package-b",
    ]
