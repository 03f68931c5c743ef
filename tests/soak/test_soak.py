"""A short soak passes, and finds the faults of a helper that has some."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent


def soak(*options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, HERE / "run.py", "--seconds=3", "--clients=6", *options],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )


def test_a_short_soak_finds_nothing() -> None:
    done = soak()

    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].split() == ["findings", "0"]


@pytest.mark.parametrize(
    ("fault", "finding"), [("descriptors", "descriptors: "), ("replies", "client ")]
)
def test_a_helper_with_a_fault_is_found_out(fault: str, finding: str) -> None:
    leaking = shlex.join([sys.executable, str(HERE / "leaking_helper.py"), fault])

    done = soak(f"--program={leaking}")

    assert done.returncode == 1
    assert any(line.startswith(finding) for line in done.stdout.splitlines()), done.stdout
