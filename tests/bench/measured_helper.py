"""A helper that is measured: started, asked, and looked at from outside."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 30.0  # seconds


@dataclass(frozen=True)
class Load:
    """What clients met on one disk; see load.c.

    Attributes:
        seconds: How long they sent commands.
        commands: How many were answered.
        fewest: How many the unluckiest client had answered.
        most: How many the luckiest client had answered.
        median: Latency in microseconds.
        p99: Latency that 1 % of the commands exceed, in microseconds.
    """

    seconds: float
    commands: int
    fewest: int
    most: int
    median: float
    p99: float

    @property
    def throughput(self) -> float:
        """Commands a second."""
        return self.commands / self.seconds


class MeasuredHelper:
    """A running helper; a context manager that ends it.

    Args:
        command: The program and its options, without a socket.
        folder: Where its socket is put.
        load: The program that load.c makes.
        environment: What to add to its environment.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        load: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.path = str(folder / f"{time.monotonic_ns()}.sock")
        self._load = str(load)
        self._process = subprocess.Popen(
            [*command, "-k", self.path], env={**os.environ, **(environment or {})}
        )
        deadline = time.monotonic() + PATIENCE
        while not os.path.exists(self.path):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} does not serve")
            time.sleep(0.005)

    def __enter__(self) -> "MeasuredHelper":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def run(self, seconds: float, *clients: tuple[int, str]) -> list[Load]:
        """Let so many clients send commands on each disk, and tell what they met on each."""
        arguments = [str(word) for pair in clients for word in pair]
        done = subprocess.run(
            [self._load, "run", self.path, str(seconds), *arguments],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=PATIENCE + seconds,
        )
        loads = []
        for line in done.stdout.splitlines():
            elapsed, commands, fewest, most, median, p99 = line.split()
            loads.append(
                Load(
                    float(elapsed),
                    int(commands),
                    int(fewest),
                    int(most),
                    int(median) / 1000,
                    int(p99) / 1000,
                )
            )
        return loads

    def resident_holding(self, clients: int, disk: str) -> int:
        """Give its resident size with so many connections, each of which was answered, in bytes."""
        holder = subprocess.Popen(
            [self._load, "hold", self.path, str(clients), disk],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert holder.stdout
            assert holder.stdout.readline() == "held\n", "load cannot connect"
            return self.resident
        finally:
            holder.communicate()

    @property
    def resident(self) -> int:
        """Its resident size in bytes, with what its other processes do not share with it."""
        first, *others = self._processes
        return _kilobytes(f"/proc/{first}/status", "VmRSS") + sum(
            _kilobytes(f"/proc/{pid}/smaps_rollup", "Private_Clean", "Private_Dirty")
            for pid in others
        )

    @property
    def cpu_seconds(self) -> float:
        """The processor time that it took so far, ended threads and other processes included."""
        ticks = 0
        for pid in self._processes:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    @property
    def _processes(self) -> list[int]:
        """Itself, and all that it forked."""
        processes = [self._process.pid]
        for pid in processes:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
            processes += map(int, children.split())
        return processes


def _kilobytes(file: str, *names: str) -> int:
    """Add up lines of a file in /proc; give bytes."""
    lines = Path(file).read_text().splitlines()
    found = [int(line.split()[1]) for line in lines if line.partition(":")[0] in names]
    assert len(found) == len(names), f"{file} lacks {names}"
    return sum(found) * 1024


def seconds_to_first_answer(command: Sequence[str], folder: Path, load: Path, disk: str) -> float:
    """Start a helper, have a command answered, and end it; give the seconds up to the answer."""
    path = str(folder / "start.sock")
    done = subprocess.run(
        [str(load), "start", path, disk, *command, "-k", path],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    return int(done.stdout) / 1e9


def seconds_of(command: Sequence[str]) -> float:
    """Run a program, and give the seconds that it took."""
    begin = time.perf_counter()
    pid = os.posix_spawn(command[0], list(command), os.environ)
    _, status = os.waitpid(pid, 0)
    assert status == 0, signal.strsignal(status)
    return time.perf_counter() - begin
