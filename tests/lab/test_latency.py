"""What a command on a real disk takes, through our helper and through QEMU's: measured, not judged.

Everything here is emulated, Python's many instructions included. So the ratio is worse than on a
real processor; what counts is how it changes.
"""

import subprocess
from pathlib import Path

import pytest

from lab_helper import StartHelper
from results import Row, as_table, save
from target import Host

LOAD = Path(__file__).parents[1] / "bench" / "load.c"
ROUNDS = 5
SECONDS = "3"


def test_latency_on_a_real_disk(
    hosts: list[Host],
    start_helper: StartHelper,
    output: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    load = tmp_path / "load"
    subprocess.run(["gcc", "-O2", "-o", load, LOAD], check=True)
    median = Row("1 client on a real disk: latency, median", "us", 1.0)
    p99 = Row("1 client on a real disk: latency, 99th percentile", "us")
    helpers = {name: start_helper(name, f"/run/latency-{name}.sock") for name in ("ours", "c")}

    for turn in range(ROUNDS):
        for name in sorted(helpers, reverse=turn % 2 == 0):
            command = [load, "run", helpers[name].socket, SECONDS, "1", hosts[0].disk]
            printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            *_, middle, slowest = printed.split()
            median.add(name == "ours", int(middle) / 1000)
            p99.add(name == "ours", int(slowest) / 1000)

    save([median, p99], "the lab", output / "latency.json")
    with capsys.disabled():
        print(f"\n{as_table([median, p99])}")
    assert min(median.ours + median.theirs) > 0
