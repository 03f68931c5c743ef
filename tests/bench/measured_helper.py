"""A helper that is measured: started, asked, and all its processes looked at from outside."""

import os
import signal
import subprocess
import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 30.0  # seconds

# An entry of /proc/PID/pagemap (the kernel's admin-guide/mm/pagemap.rst).
IN_MEMORY = 1 << 63
FRAME = (1 << 55) - 1


@dataclass(frozen=True)
class Load:
    """What clients met on one disk; see load.c.

    Attributes:
        seconds: How long they sent commands.
        commands: How many were answered.
        median: Latency in microseconds.
        p99: Latency that 1 % of the commands exceed, in microseconds.
    """

    seconds: float
    commands: int
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
        self._load = load
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
            for pid in self._processes:
                os.kill(pid, signal.SIGKILL)
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
            elapsed, commands, median, p99 = line.split()
            loads.append(Load(float(elapsed), int(commands), int(median) / 1e3, int(p99) / 1e3))
        return loads

    def resident_holding(self, clients: int, disk: str) -> int:
        """Give its resident size with so many connections, each of which was answered, in bytes."""
        with lasting(self._load, "hold", self.path, str(clients), disk):
            return self.resident

    @property
    def resident(self) -> int:
        """What its processes have in memory, in bytes.

        The sum of their resident sizes, but a page that several of them map counts once. A page
        that others map, too, counts in full: unlike Pss, which depends on what else runs.

        Raises:
            PermissionError: Without CAP_SYS_ADMIN the kernel does not tell pages apart.
        """
        frames: set[int] = set()
        for pid in self._processes:
            frames.update(_frames(pid))
        if frames == {0}:
            raise PermissionError("the memory of a helper is told with CAP_SYS_ADMIN only")
        return len(frames) * os.sysconf("SC_PAGE_SIZE")

    @property
    def cpu_seconds(self) -> float:
        """The processor time that its processes took so far, ended threads included."""
        return sum(time.clock_gettime(_cpu_clock(pid)) for pid in self._processes)

    @property
    def _processes(self) -> list[int]:
        """Itself, and all that it forked, from whichever thread."""
        processes = [self._process.pid]
        for pid in processes:
            for thread in os.listdir(f"/proc/{pid}/task"):
                with suppress(OSError):  # the thread has ended meanwhile
                    children = Path(f"/proc/{pid}/task/{thread}/children").read_text()
                    processes += map(int, children.split())
        return processes


def _frames(pid: int) -> Iterator[int]:
    """Give the numbers of the page frames that a process maps."""
    size = os.sysconf("SC_PAGE_SIZE")
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/pagemap", "rb", 0) as pagemap:
        for line in maps:
            first, end = (int(address, 16) // size for address in line.split()[0].split("-"))
            pagemap.seek(first * 8)
            entries = array("Q", pagemap.read((end - first) * 8))
            yield from (entry & FRAME for entry in entries if entry & IN_MEMORY)


def _cpu_clock(pid: int) -> int:
    """What clock_getcpuclockid(3), which Python lacks, gives on Linux."""
    return ~pid << 3 | 2


@contextmanager
def lasting(load: Path, *arguments: str) -> Iterator[None]:
    """Run a mode of load.c that lasts until its input ends."""
    with subprocess.Popen(
        [load, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout
        assert running.stdout.readline() == "ready\n", f"load {arguments[0]} does not start"
        yield


def seconds_to_first_answer(command: Sequence[str], folder: Path, load: Path, disk: str) -> float:
    """Start a helper, have a command answered, and end it; give the seconds up to the answer."""
    path = str(folder / "start.sock")
    done = subprocess.run(
        [load, "start", path, disk, *command, "-k", path],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    return int(done.stdout) / 1e9


def seconds_of(command: Sequence[str]) -> float:
    """Run a program, and give the seconds that it took."""
    with open(os.devnull, "wb") as nothing:
        begin = time.perf_counter()
        quiet = [(os.POSIX_SPAWN_DUP2, nothing.fileno(), 1)]
        pid = os.posix_spawn(command[0], list(command), os.environ, file_actions=quiet)
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"{command[0]} ended with wait status {status}"
    return time.perf_counter() - begin
