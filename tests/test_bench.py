"""make bench runs, for a moment: what it measures is not tested, only that it measures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from requirements import require

RUN = [sys.executable, str(Path(__file__).parent / "bench" / "run.py")]


@pytest.mark.parametrize("part", ["clients-4", "slow-disks", "start", "simulated-unit"])
def test_each_part_gives_rows_of_both_helpers(part: str) -> None:
    require("/usr/bin/qemu-pr-helper", package="qemu-system-common")
    require("gcc", package="gcc libc6-dev")
    if os.geteuid() != 0:
        pytest.skip("QEMU's helper starts as root only")
    options = ["--rounds=1", "--seconds=0.05", "--json", f"--only={part}"]

    done = subprocess.run([*RUN, *options], stdout=subprocess.PIPE, text=True, check=True)

    for row in json.loads(done.stdout)["rows"]:
        assert min(*row["ours"], *row["theirs"], 1) > 0, row


def test_what_is_missing_is_said_in_one_line() -> None:
    done = subprocess.run(
        RUN, env={**os.environ, "PATH": "/nowhere"}, capture_output=True, text=True, check=True
    )

    assert done.stdout == ""
    assert done.stderr.startswith("bench: skipped: ")
    assert "apt-get install" in done.stderr
