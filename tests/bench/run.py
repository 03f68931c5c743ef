"""Measure our helper and QEMU's side by side, in turn, and write down what came of it.

Run it with `make bench`; options go into BENCH: `make bench BENCH='--rounds 9'`. As root, because
QEMU's helper starts for nobody else. The load comes from load.c: a process for each client, as
each guest has its own QEMU.
"""

import argparse
import compileall
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import qemu_pr
import simulated
from measured_helper import MeasuredHelper, seconds_of, seconds_to_first_answer
from results import Row, as_json, as_table, save

T = TypeVar("T")

HERE = Path(__file__).parent
RESULTS = HERE.parent.parent / "build" / "bench.json"

OURS = (str(Path(sys.executable).with_name("qemu-pr-helper")),)
THEIRS = ("/usr/bin/qemu-pr-helper",)
PYTHON = (sys.executable, "-I", "-c", "pass")
BARE_LOOP = (sys.executable, "-I", str(HERE / "bare_loop.py"))

WANTED_THROUGHPUT = {1: None, 4: None, 16: 1.5, 64: 1.2}  # by the number of clients
IDLE = (100, 1000, 4000)
SLOW_DISKS = 16
SLOW_MICROSECONDS = 2000


class Bench:
    """What all measurements share.

    Args:
        folder: For sockets, programs and disks.
        rounds: How often each value is measured.
        seconds: How long commands are sent each time.
    """

    def __init__(self, folder: Path, rounds: int, seconds: float) -> None:
        self.folder = folder
        self.rounds = rounds
        self.seconds = seconds
        self.load = _compiled("load.c", folder / "load")
        self.slow = _compiled("slow_sg_io.c", folder / "slow_sg_io.so", "-shared", "-fPIC", "-ldl")
        self.disk = _disk()

    @contextmanager
    def both(self, **environment: str) -> Iterator[list[tuple[bool, MeasuredHelper]]]:
        """Run both helpers; tells of each whether it is ours."""
        with (
            MeasuredHelper(OURS, self.folder, self.load, environment) as ours,
            MeasuredHelper(THEIRS, self.folder, self.load, environment) as theirs,
        ):
            yield [(True, ours), (False, theirs)]

    def in_turn(self, things: Iterable[T]) -> Iterator[T]:
        """Give each thing once a round, and every second round in the opposite order."""
        things = list(things)
        for turn in range(self.rounds):
            yield from things if turn % 2 == 0 else reversed(things)


def clients(bench: Bench, count: int) -> list[Row]:
    """Throughput, latency, processor time and fairness with so many clients."""
    name = f"{count} clients" if count > 1 else "1 client"
    wanted = WANTED_THROUGHPUT[count]
    throughput = Row(f"{name}: throughput", "commands/s", wanted, more_is_better=True)
    median = Row(f"{name}: latency, median", "us", None if count > 1 else 0.5)
    p99 = Row(f"{name}: latency, 99th percentile", "us", None if count > 1 else 1.0)
    cpu = Row(f"{name}: processor time a command", "us", 1.0)
    fairness = Row(f"{name}: fewest commands of a client, of the most", "%", more_is_better=True)
    bound = "a bare loop"
    most = Row(f"{name}: throughput, ours", "commands/s", more_is_better=True, other=bound)
    least = Row(f"{name}: latency, median, ours", "us", other=bound)
    with (
        bench.both() as helpers,
        MeasuredHelper(BARE_LOOP, bench.folder, bench.load) as bare_loop,
    ):
        for is_ours, helper in bench.in_turn([*helpers, (False, bare_loop)]):
            before = helper.cpu_seconds
            [load] = helper.run(bench.seconds, (count, bench.disk))
            if is_ours or helper is bare_loop:
                most.add(is_ours, load.throughput)
                least.add(is_ours, load.median)
            if helper is bare_loop:
                continue
            throughput.add(is_ours, load.throughput)
            median.add(is_ours, load.median)
            p99.add(is_ours, load.p99)
            cpu.add(is_ours, (helper.cpu_seconds - before) / load.commands * 1e6)
            fairness.add(is_ours, load.fewest / load.most * 100)
    return [throughput, median, p99, cpu, *([fairness] if count > 1 else []), most, least]


def slow_disks(bench: Bench) -> list[Row]:
    """Disks that take their time, each with a client, and one fast disk beside them."""
    disks = []
    for number in range(SLOW_DISKS):
        disk = bench.folder / f"slow{number}"
        disk.touch()
        disks.append((1, str(disk)))
    fast = (1, os.devnull)
    name = f"{SLOW_DISKS} disks of {SLOW_MICROSECONDS / 1000:g} ms"
    throughput = Row(f"{name}: throughput", "commands/s", 0.95, more_is_better=True)
    alone = Row("a fast disk alone: latency, median", "us")
    beside = Row(f"a fast disk beside {name}: latency, median", "us")
    grown = Row("ours beside slow disks, to ours alone", "us", 1.2, other="alone")
    delay = {"LD_PRELOAD": str(bench.slow), "SLOW_SG_IO": str(SLOW_MICROSECONDS)}
    with bench.both(**delay) as helpers:
        for is_ours, helper in bench.in_turn(helpers):
            [quiet] = helper.run(bench.seconds, fast)
            *slow, busy = helper.run(bench.seconds, *disks, fast)
            throughput.add(is_ours, sum(load.throughput for load in slow))
            alone.add(is_ours, quiet.median)
            beside.add(is_ours, busy.median)
            if is_ours:
                grown.add(is_ours=True, value=busy.median)
                grown.add(is_ours=False, value=quiet.median)
    return [throughput, alone, beside, grown]


def memory(bench: Bench) -> list[Row]:
    """Resident size at the start, and of a connection that has nothing to do."""
    at_start = Row("resident at the start", "MB")
    allowed = Row("resident at the start, ours", "MB", 1.0, other="allowed", theirs=[16])
    rows = [Row(f"resident with {count} idle connections", "MB") for count in IDLE]
    each = Row("an idle connection", "bytes")
    each_allowed = Row("an idle connection, ours", "bytes", 1.0, other="allowed", theirs=[1000])
    with bench.both() as helpers:
        for is_ours, helper in helpers:
            first = helper.resident
            at_start.add(is_ours, first / 1e6)
            for row, count in zip(rows, IDLE, strict=True):
                last = helper.resident_holding(count, bench.disk)
                row.add(is_ours, last / 1e6)
            each.add(is_ours, (last - first) / count)
    allowed.ours = at_start.ours
    each_allowed.ours = each.ours
    return [at_start, allowed, *rows, each, each_allowed]


def start(bench: Bench) -> list[Row]:
    """From exec to the first answer."""
    compileall.compile_dir(os.path.dirname(qemu_pr.__file__), quiet=1)  # as in a package
    helpers = Row("from exec to the first answer", "ms")
    python = Row("the same, to a bare Python's whole life", "ms", 2.0, other="python3 -I -c pass")
    for kind in bench.in_turn(("ours", "theirs", "python") * 3):
        if kind == "python":
            python.add(is_ours=False, value=seconds_of(PYTHON) * 1e3)
        else:
            command = OURS if kind == "ours" else THEIRS
            value = 1e3 * seconds_to_first_answer(command, bench.folder, bench.load, bench.disk)
            helpers.add(kind == "ours", value)
            if kind == "ours":
                python.add(is_ours=True, value=value)
    return [helpers, python]


def simulated_unit(bench: Bench) -> list[Row]:
    """Commands a second on a simulated unit; compared with the one with the fewest registrants."""
    rows = []
    ways: dict[str, Callable[[int], simulated.Execute]] = {
        "in memory": simulated.in_process,
        "with a STATE file": lambda count: simulated.in_sqlite(count, bench.folder),
    }
    for way, make in ways.items():
        executes = {count: make(count) for count in simulated.REGISTRANTS}
        rows += _by_registrants(bench, way, executes)
    with simulated.through_helpers(bench.folder) as executes:
        rows += _by_registrants(bench, "through the helper", executes)
    return rows


def _by_registrants(bench: Bench, way: str, executes: dict[int, simulated.Execute]) -> list[Row]:
    fewest = min(executes)
    rows = {
        count: Row(
            f"simulated unit {way}, {count} registrants",
            "commands/s",
            0.5,
            more_is_better=True,
            other=f"{fewest} registrants",
        )
        for count in executes
        if count != fewest
    }
    for count, execute in bench.in_turn(executes.items()):
        value = simulated.commands_a_second(execute, bench.seconds / 2)
        for row_count, row in rows.items():
            if count == row_count:
                row.add(is_ours=True, value=value)
            elif count == fewest:
                row.add(is_ours=False, value=value)
    return list(rows.values())


def _compiled(source: str, program: Path, *options: str) -> Path:
    subprocess.run(["gcc", "-O2", "-o", program, HERE / source, *options], check=True)
    return program


def _disk() -> str:
    """A descriptor on which the kernel rejects SG_IO at once."""
    try:
        os.close(os.open("/dev/loop0", os.O_RDWR))
    except OSError:
        return os.devnull
    return "/dev/loop0"


def _missing() -> str:
    """Why the helpers cannot be measured here; empty if they can."""
    if not shutil.which(THEIRS[0]):
        return f"{THEIRS[0]} is not installed: apt-get install qemu-system-common"
    if not shutil.which("gcc"):
        return "gcc is not installed: apt-get install gcc libc6-dev"
    if os.geteuid() != 0:
        return "QEMU's helper starts as root only: sudo make bench"
    return ""


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="Measure our helper and QEMU's side by side.")
    parser.add_argument("--rounds", type=int, default=7, help="how often to measure (default: 7)")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each value (default: 1)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--only", metavar="PART", help="one part: %(choices)s", choices=PARTS)
    options = parser.parse_args()
    if reason := _missing():
        print(f"bench: skipped: {reason}", file=sys.stderr)
        return 0
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench", dir="/tmp") as folder:
        bench = Bench(Path(folder), options.rounds, options.seconds)
        for name, part in PARTS.items():
            if options.only in (None, name):
                begin = time.monotonic()
                print(f"bench: {name} ...", end=" ", flush=True, file=sys.stderr)
                rows += part(bench)
                print(f"{time.monotonic() - begin:.0f} s", file=sys.stderr)
    machine = f"{os.cpu_count()} processors, Linux {platform.release()}, {bench.disk},"
    machine += f" Python {platform.python_version()}, {options.rounds} rounds"
    if options.only is None:
        save(rows, machine, RESULTS)
    print(as_json(rows, machine) if options.json else f"{machine}\n\n{as_table(rows)}")
    return 0


PARTS: dict[str, Callable[[Bench], list[Row]]] = {
    **{f"clients-{n}": lambda bench, n=n: clients(bench, n) for n in WANTED_THROUGHPUT},
    "slow-disks": slow_disks,
    "memory": memory,
    "start": start,
    "simulated-unit": simulated_unit,
}

if __name__ == "__main__":
    sys.exit(main())
