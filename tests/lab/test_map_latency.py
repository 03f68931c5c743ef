"""What a command on a map takes, through our helper and through a C helper with libmpathpersist.

Ours runs with that library, and alone, without it. Measured, not judged: name the C helper, built
as the performance page says, with ``--c-helper``. The first command after a rest is one for which
our helper has to start a process for the map.
"""

import os
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path

import pytest

from lab_helper import MAPS, PROGRAMS, children, listens
from multipathd import NODE, multipath_map
from target import create_disk, other_disks
from waiting import wait_for
from wire import Client, parameter_list, persistent_reserve_in, persistent_reserve_out, status

REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT, _, REGISTER_AND_IGNORE = range(7)
KEY, NOBODY, TYPE = 0xA1, 0xDEAD, 5

READS = {"READ KEYS": 0, "READ RESERVATION": 1, "REPORT CAPABILITIES": 2}
# In this order; each leaves what the next one needs.
OUTS = {
    "REGISTER": (REGISTER, 0, KEY, 0),
    "RESERVE": (RESERVE, KEY, 0, TYPE),
    "RESERVE again": (RESERVE, KEY, 0, TYPE),
    "RELEASE": (RELEASE, KEY, 0, TYPE),
    "PREEMPT": (PREEMPT, KEY, KEY, TYPE),
    "REGISTER AND IGNORE": (REGISTER_AND_IGNORE, 0, KEY, 0),
    "CLEAR": (CLEAR, KEY, 0, 0),
}


@pytest.fixture
def programs(request: pytest.FixtureRequest) -> dict[str, list[str]]:
    theirs = request.config.getoption("--c-helper")
    ours = {name: PROGRAMS[name] for name in ("ours", "alone")}
    return ours | ({"c": [theirs]} if theirs else {})


@pytest.mark.parametrize(("paths", "others"), [(2, 0), (4, 0), (8, 0), (2, 100)])
def test_latency_on_a_map(
    programs: dict[str, list[str]],
    output: Path,
    paths: int,
    others: int,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rounds = request.config.getoption("--rounds")
    first = 1000 + 10 * paths + others
    disk = create_disk(f"measured-{paths}", hosts=paths, first=first)
    lone = create_disk(f"lone-{paths}", hosts=1, first=first + 9)
    found: dict[str, dict[str, list[float]]] = {name: {} for name in programs}

    log = output / "multipathd-latency.log"
    with other_disks(others) as beside, multipath_map(disk.hosts, log, beside=beside):
        for turn in range(rounds):
            for name in sorted(programs, reverse=turn % 2 == 0):
                socket = f"/run/latency-{name}.sock"
                for helper in _running(programs[name], socket, output):
                    _measure(helper, socket, lone.hosts[0].disk, found[name])
    for one in (disk, lone):
        one.remove()

    title = f"{paths} paths, {others} other maps: milliseconds, medians"
    table = "\n".join((title, *_rows(found)))
    with (output / "map-latency.txt").open("a") as file:
        file.write(f"{table}\n\n")
    with capsys.disabled():
        print(f"\n{table}")


def _running(program: list[str], socket: str, output: Path) -> Iterator[int]:
    """Run a helper for a turn: each turn has a new one, whose first command starts all."""
    with (output / "latency.log").open("ab") as log:
        helper = subprocess.Popen([*program, "-k", socket, "-f", f"{socket}.pid"], stderr=log)
    wait_for(lambda: listens(socket), f"{program[-1]} to listen")
    yield helper.pid
    helper.terminate()
    helper.wait()


def _measure(helper: int, socket: str, lone: str, found: dict[str, list[float]]) -> None:
    def timed(name: str, do: Callable[[], int]) -> None:
        begin = time.perf_counter()
        ended = do()
        found.setdefault(name, []).append(1000 * (time.perf_counter() - begin))
        assert ended in (0, 0x18), (name, ended)

    with Client(socket) as client, FileIO(NODE, "r+") as file, FileIO(lone, "r+") as lone_file:
        node = file.fileno()

        def read(action: int, node: int = node) -> int:
            return status(client.command(node, persistent_reserve_in(action)))

        def out(action: int, key: int, other: int, type_: int) -> int:
            command = persistent_reserve_out(action, type_)
            return status(client.command(node, command, parameter_list(key, other)))

        read(0, lone_file.fileno())  # which tells of the disk's reset, maybe
        timed("first: REGISTER", lambda: out(REGISTER_AND_IGNORE, 0, KEY, 0))
        out(CLEAR, KEY, 0, 0)
        for _ in range(3):
            _rest(helper)
            timed("after rest: REGISTER", lambda: out(REGISTER_AND_IGNORE, 0, KEY, 0))
            out(CLEAR, KEY, 0, 0)
            for name, arguments in OUTS.items():
                timed(name, lambda arguments=arguments: out(*arguments))  # type: ignore[misc]
                for reading, action in READS.items():
                    timed(reading, lambda action=action: read(action))  # type: ignore[misc]
                timed("READ KEYS of a disk", lambda: read(0, lone_file.fileno()))


def _rest(helper: int) -> None:
    """End the map's process, as some minutes without a command do."""
    for forking in children(helper, MAPS):
        for process in children(forking, MAPS):
            os.kill(process, signal.SIGKILL)
        wait_for(lambda: not children(forking, MAPS), "a map's process to end")  # noqa: B023


def _rows(found: dict[str, dict[str, list[float]]]) -> Iterator[str]:
    for name in found["ours"]:
        medians = {helper: statistics.median(values[name]) for helper, values in found.items()}
        row = f"{name:24}" + "".join(f" {key} {value:8.2f}" for key, value in medians.items())
        ratio = f"  ratio {medians['ours'] / medians['c']:.2f}" if "c" in medians else ""
        yield row + ratio
