"""make bench runs, for a moment: what it measures is not tested, only that it measures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from measured_helper import MeasuredHelper
from requirements import require

pytestmark = pytest.mark.slow

# As a helper is: the first process has 30 MB, and a thread of it forks another process, which maps
# these, too, and has 20 MB and 0.2 seconds of processor time of its own.
TREE = """
import os, signal, sys, threading, time
shared = os.urandom(30_000_000)
parent_lives, parent = os.pipe()
def fork():
    if os.fork() == 0:
        os.close(parent)
        own = os.urandom(20_000_000)
        while time.process_time() < 0.2:
            pass
        open(sys.argv[-1], "w").close()
        os.read(parent_lives, 1)
        os._exit(0)
    signal.pause()
threading.Thread(target=fork, daemon=True).start()
signal.pause()
"""
ALONE = """
import signal, sys, threading, time
open(sys.argv[-1], "w").close()
signal.pause()
"""

RUN = [sys.executable, str(Path(__file__).parent / "bench" / "run.py")]


@pytest.mark.parametrize(
    "part", ["quiet-4", "busy-4", "slow-disks", "start", "programs", "fleet", "simulated-unit"]
)
@pytest.mark.timeout(600)
def test_each_part_gives_rows_of_both_helpers(part: str) -> None:
    require("/usr/bin/qemu-pr-helper", package="qemu-system-common")
    require("gcc", package="gcc libc6-dev")
    if os.geteuid() != 0:
        pytest.skip("QEMU's helper starts as root only")
    options = ["--rounds=1", "--seconds=0.05", "--json", "--only", part]

    done = subprocess.run([*RUN, *options], stdout=subprocess.PIPE, text=True, check=True)

    for row in json.loads(done.stdout)["rows"]:
        assert min(*row["ours"], *row["theirs"], 1) > 0, row


def test_all_processes_of_a_helper_are_measured_and_what_they_share_once(tmp_path: Path) -> None:
    python = [sys.executable, "-I", "-S", "-c"]

    with (
        MeasuredHelper([*python, ALONE], tmp_path, tmp_path) as alone,
        MeasuredHelper([*python, TREE], tmp_path, tmp_path) as tree,
    ):
        cpu_seconds = tree.cpu_seconds
        try:
            grown = tree.resident - alone.resident
        except PermissionError as error:
            pytest.skip(str(error))

    assert cpu_seconds >= 0.2
    assert 50_000_000 <= grown < 60_000_000


def test_what_is_missing_is_said_in_one_line() -> None:
    done = subprocess.run(
        RUN, env={**os.environ, "PATH": "/nowhere"}, capture_output=True, text=True, check=True
    )

    assert done.stdout == ""
    assert done.stderr.startswith("bench: skipped: ")
    assert "apt-get install" in done.stderr
