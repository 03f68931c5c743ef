"""The helper under test, and what it takes of the system at a moment."""

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 60.0  # seconds


@dataclass(frozen=True)
class Sample:
    """What all processes of a helper take.

    Attributes:
        descriptors: How many are open.
        threads: How many it has.
        resident: Resident size in bytes.
    """

    descriptors: int
    threads: int
    resident: int

    def __str__(self) -> str:
        return (
            f"{self.descriptors} descriptors, {self.threads} threads, {self.resident / 1e6:.1f} MB"
        )


class WatchedHelper:
    """A running helper.

    Args:
        command: The program and its options.
        socket: Where it is to listen.
        log: Where its log goes.
    """

    def __init__(self, command: Sequence[str], socket: Path, log: Path) -> None:
        with log.open("wb") as file:
            self.process = subprocess.Popen([*command, "-k", str(socket)], stderr=file)
        self._log = log
        deadline = time.monotonic() + PATIENCE
        while not socket.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the helper does not start: {log.read_text()}")
            time.sleep(0.01)

    def sample(self) -> Sample:
        """Look at the processes now."""
        first = Path(f"/proc/{self.process.pid}")
        children = (first / "task" / first.name / "children").read_text().split()
        folders = [first, *(Path(f"/proc/{child}") for child in children)]
        statuses = [_status(folder) for folder in folders]
        return Sample(
            sum(len(os.listdir(folder / "fd")) for folder in folders),
            sum(int(status["Threads"]) for status in statuses),
            sum(int(status["VmRSS"].split()[0]) * 1024 for status in statuses),
        )

    def settled(self) -> Sample:
        """Look at the processes once it has been doing nothing for a while."""
        deadline = time.monotonic() + PATIENCE
        last, since = self.sample(), time.monotonic()
        while time.monotonic() - since < 3 and time.monotonic() < deadline:
            time.sleep(0.1)
            now = self.sample()
            if (now.descriptors, now.threads) != (last.descriptors, last.threads):
                last, since = now, time.monotonic()
        return self.sample()

    def end(self) -> list[str]:
        """Stop the helper; give what was wrong about how it ended, and in its log."""
        self.process.terminate()
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return [f"the helper did not stop within {PATIENCE:g} s"]
        wrong = [] if status == 0 else [f"the helper ended with status {status}"]
        defects = ("in the helper:", "defect", "cannot start a thread", "database", "Traceback")
        with self._log.open(errors="replace") as lines:
            wrong += [line.strip() for line in lines if any(map(line.__contains__, defects))][:10]
        return wrong


def _status(folder: Path) -> dict[str, str]:
    lines = (folder / "status").read_text().splitlines()
    return dict(line.split(":", 1) for line in lines)
