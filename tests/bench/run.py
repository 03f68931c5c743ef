"""Measure our helper and QEMU's side by side, in turn, and write down what came of it.

Run it with `make bench`; options go into BENCH: `make bench BENCH='--rounds 9'`. As root, because
QEMU's helper starts for nobody else. The load comes from load.c: a process for each client, as
each guest has its own QEMU; and on a busy host one more on each processor, which never rests.
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
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TypeVar

import fleets
import qemu_pr
import simulated
from measured_helper import MeasuredHelper, lasting, seconds_of, seconds_to_first_answer
from results import Row, as_json, as_table, save

T = TypeVar("T")

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
RESULTS = ROOT / "build" / "bench.json"

OURS = (str(Path(sys.executable).with_name("qemu-pr-helper")),)
QEMU_PR = str(Path(sys.executable).with_name("qemu-pr"))
THEIRS = "/usr/bin/qemu-pr-helper"
PYTHON = (sys.executable, "-I", "-c", "pass")

THROUGHPUT, MEDIAN, P99 = "throughput", "latency, median", "latency, 99th percentile"
CPU = "processor time a command"
UNITS = {THROUGHPUT: "commands/s", MEDIAN: "us", P99: "us", CPU: "us"}

# By the number of clients: what is measured, and the ratio to QEMU's helper that is wanted.
Wanted = dict[str, float | None]
QUIET: dict[int, Wanted] = {
    1: {MEDIAN: 1.0, P99: None, CPU: None},
    4: {THROUGHPUT: None, CPU: None},
    16: {THROUGHPUT: 0.9, CPU: None},
    64: {THROUGHPUT: None, CPU: None},
}
BUSY: dict[int, Wanted] = {count: {THROUGHPUT: 1.0, MEDIAN: None, P99: 1.0} for count in (1, 4, 16)}

IDLE = 1000
SLOW_DISKS = 16
SLOW_MICROSECONDS = 2000


class Bench:
    """What all measurements share.

    Args:
        folder: For sockets, programs and disks.
        rounds: How often each value is measured.
        seconds: How long commands are sent each time.
        theirs: QEMU's helper.
    """

    def __init__(self, folder: Path, rounds: int, seconds: float, theirs: str) -> None:
        self.folder = folder
        self.rounds = rounds
        self.seconds = seconds
        self.theirs = (theirs,)
        self.load = _compiled("load.c", folder / "load")
        self.slow = _compiled("slow_sg_io.c", folder / "slow_sg_io.so", "-shared", "-fPIC", "-ldl")
        self.disk = _disk()
        self.part = ""

    @contextmanager
    def both(self, **environment: str) -> Iterator[list[tuple[bool, MeasuredHelper]]]:
        """Run both helpers; tells of each whether it is ours."""
        with (
            MeasuredHelper(OURS, self.folder, self.load, environment) as ours,
            MeasuredHelper(self.theirs, self.folder, self.load, environment) as theirs,
        ):
            yield [(True, ours), (False, theirs)]

    def in_turn(self, things: Iterable[T]) -> Iterator[T]:
        """Give each thing once a round, and every second round in the opposite order."""
        things = list(things)
        for turn in range(self.rounds):
            _tell(f"{self.part}: round {turn + 1} of {self.rounds}")
            yield from things if turn % 2 == 0 else reversed(things)


def clients(bench: Bench, host: str, count: int, wanted: Wanted) -> list[Row]:
    """What so many clients meet, on a quiet host or beside a busy process on each processor."""
    name = f"{host} host, {count} client{'s' if count > 1 else ''}"
    rows = {
        what: Row(f"{name}: {what}", UNITS[what], target, more_is_better=what == THROUGHPUT)
        for what, target in wanted.items()
    }
    beside = lasting(bench.load, "busy") if host == "busy" else nullcontext()
    with bench.both() as helpers, beside:
        for is_ours, helper in bench.in_turn(helpers):
            before = helper.cpu_seconds
            [load] = helper.run(bench.seconds, (count, bench.disk))
            cpu = (helper.cpu_seconds - before) / load.commands * 1e6
            found = {THROUGHPUT: load.throughput, MEDIAN: load.median, P99: load.p99, CPU: cpu}
            for what, row in rows.items():
                row.add(is_ours, found[what])
    return list(rows.values())


def slow_disks(bench: Bench) -> list[Row]:
    """Disks that take their time, each with a client, and one fast disk beside them."""
    disks = []
    for number in range(SLOW_DISKS):
        disk = bench.folder / f"slow{number}"
        disk.touch()
        disks.append((1, str(disk)))
    fast = (1, bench.disk)
    name = f"{SLOW_DISKS} disks of {SLOW_MICROSECONDS / 1000:g} ms"
    throughput = Row(f"{name}: throughput", "commands/s", more_is_better=True)
    alone = Row("a fast disk alone: latency, median", "us")
    beside = Row(f"a fast disk beside {name}: latency, median", "us")
    delay = {"LD_PRELOAD": str(bench.slow), "SLOW_SG_IO": str(SLOW_MICROSECONDS)}
    with bench.both(**delay) as helpers:
        for is_ours, helper in bench.in_turn(helpers):
            [quiet] = helper.run(bench.seconds, fast)
            *slow, busy = helper.run(bench.seconds, *disks, fast)
            throughput.add(is_ours, sum(load.throughput for load in slow))
            alone.add(is_ours, quiet.median)
            beside.add(is_ours, busy.median)
    grown = Row("the same, ours to ours alone", "us", 1.5, other="alone")
    grown.ours, grown.theirs = beside.ours, alone.ours
    return [throughput, alone, beside, grown]


def memory(bench: Bench) -> list[Row]:
    """Resident size at the start, and of connections that have nothing to do."""
    at_start = Row("resident at the start", "MB")
    holding = Row(f"resident with {IDLE} idle connections", "MB")
    each = Row("an idle connection", "bytes")
    allowed = Row(
        f"{IDLE} idle connections, above the start", "MB", 1.0, other="allowed", theirs=[25]
    )
    for is_ours, command in bench.in_turn(((True, OURS), (False, bench.theirs))):
        with MeasuredHelper(command, bench.folder, bench.load) as helper:
            helper.run(0, (1, bench.disk))  # a helper that has answered has started
            first = helper.resident
            last = helper.resident_holding(IDLE, bench.disk)
        at_start.add(is_ours, first / 1e6)
        holding.add(is_ours, last / 1e6)
        each.add(is_ours, (last - first) / IDLE)
    allowed.ours = [value * IDLE / 1e6 for value in each.ours]
    return [at_start, holding, each, allowed]


def start(bench: Bench) -> list[Row]:
    """From exec to the first answer."""
    compileall.compile_dir(os.path.dirname(qemu_pr.__file__), quiet=1)  # as in a package
    helpers = Row("from exec to the first answer", "ms")
    python = Row("the same, to a bare Python's whole life", "ms", 4.0, other="python3 -I -c pass")
    for command in bench.in_turn((OURS, bench.theirs, PYTHON) * 3):
        if command == PYTHON:
            python.add(is_ours=False, value=1e3 * seconds_of(PYTHON))
        else:
            value = 1e3 * seconds_to_first_answer(command, bench.folder, bench.load, bench.disk)
            helpers.add(command == OURS, value)
    python.ours = helpers.ours
    return [helpers, python]


def programs(bench: Bench) -> list[Row]:
    """The whole life of what operators call, compared with that of a Python that does nothing."""
    rows = []
    installed = _installed(bench.folder)
    python = (str(installed / "python"), *PYTHON[1:])
    (bench.folder / "disk").touch()
    with simulated.through_helpers(bench.folder):
        socket = ["--socket", str(bench.folder / f"simulated{min(simulated.REGISTRANTS)}.sock")]
        disk = str(bench.folder / "disk")
        for words in (
            ["--version"],
            ["command-line", "/dev/sdb"],
            ["persist", "--in", "--read-keys", disk, *socket],
            ["status", disk, *socket],
        ):
            name = f"qemu-pr {words[0]}, to a bare Python's whole life"
            row = Row(name, "ms", 4.0, other="python3 -I -c pass")
            for command in bench.in_turn(((str(installed / "qemu-pr"), *words), python) * 3):
                row.add(command != python, 1e3 * seconds_of(command))
            rows.append(row)
    return rows


def fleet(bench: Bench) -> list[Row]:
    """The report of a big host, and the matrix of many big hosts; compared with what is allowed."""
    reports = bench.folder / "reports"
    fleets.write_reports(reports)
    one = Row(f"qemu-pr report, {fleets.MAPS} maps of {fleets.PATHS} paths", "s", 1.0)
    many = Row(f"qemu-pr fleet, {fleets.HOSTS} hosts with these", "s", 1.0)
    with fleets.big_host(bench.folder) as host:
        for row, seconds, words in (
            (one, 30.0, ("report", "--root", host.root)),
            (many, 3.0, ("fleet", reports)),
        ):
            row.other, row.theirs = "allowed", [seconds]
            for _ in bench.in_turn([None]):
                row.add(is_ours=True, value=seconds_of((QEMU_PR, *map(str, words))))
    return [one, many]


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


def _installed(folder: Path) -> Path:
    """Install from a wheel, as operators do: an editable installation has more to import.

    Returns:
        The directory of the programs, and of a Python that has nothing else.
    """
    tree, venv = folder / "tree", folder / "venv"
    for name in ("src", "packaging"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    for command in (
        (*pip, "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", folder, tree),
        (sys.executable, "-m", "venv", "--without-pip", venv),
        (*pip, "--python", venv, "install", "--no-index", "--find-links", folder, "qemu-pr"),
    ):
        subprocess.run(command, stdout=sys.stderr, check=True)
    return venv / "bin"


def _disk() -> str:
    """A descriptor on which the kernel rejects SG_IO at once."""
    try:
        os.close(os.open("/dev/loop0", os.O_RDWR))
    except OSError:
        return os.devnull
    return "/dev/loop0"


def _tell(progress: str) -> None:
    """Show on a terminal how far it is, in place of what was shown before."""
    if sys.stderr.isatty():
        print(f"\r\033[Kbench: {progress}", end="", file=sys.stderr, flush=True)


def _missing(theirs: str) -> str:
    """Why the helpers cannot be measured here; empty if they can."""
    if not shutil.which(theirs):
        return f"{theirs} is not installed: apt-get install qemu-system-common"
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
    parser.add_argument(
        "--only", metavar="PART", nargs="+", help="some parts: %(choices)s", choices=PARTS
    )
    parser.add_argument(
        "--c-helper",
        default=THEIRS,
        metavar="PATH",
        help="QEMU's helper, such as one built with multipath (default: %(default)s)",
    )
    options = parser.parse_args()
    if reason := _missing(options.c_helper):
        print(f"bench: skipped: {reason}", file=sys.stderr)
        return 0
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench", dir="/tmp") as folder:
        bench = Bench(Path(folder), options.rounds, options.seconds, options.c_helper)
        for part in options.only or PARTS:
            begin = time.monotonic()
            bench.part = part
            rows += PARTS[part](bench)
            _tell(f"{part}: {time.monotonic() - begin:.0f} s\n")
    machine = f"{os.cpu_count()} processors, Linux {platform.release()}, {bench.disk},"
    machine += f" Python {platform.python_version()}, {options.rounds} rounds"
    if options.only is None:
        save(rows, machine, RESULTS)
    print(as_json(rows, machine) if options.json else f"{machine}\n\n{as_table(rows)}")
    return 0


PARTS: dict[str, Callable[[Bench], list[Row]]] = {
    **{
        f"{host}-{count}": partial(clients, host=host, count=count, wanted=wanted)
        for host, by_count in (("quiet", QUIET), ("busy", BUSY))
        for count, wanted in by_count.items()
    },
    "slow-disks": slow_disks,
    "memory": memory,
    "start": start,
    "programs": programs,
    "fleet": fleet,
    "simulated-unit": simulated_unit,
}

if __name__ == "__main__":
    sys.exit(main())
