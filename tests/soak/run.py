"""Have many clients use a helper while faults are injected, and check every reply.

Run it with `make soak SECONDS=1800 CLIENTS=64`. The exit status is 1 if a reply was wrong or lost,
or if the helper holds more at the end than it did after it had warmed up.
"""

import argparse
import multiprocessing
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.sharedctypes import RawArray
from pathlib import Path

import clients
import faults
from watched_helper import Sample, WatchedHelper

CLIENTS_A_PROCESS = 8
MORE_CONNECTIONS = 40  # than clients; the faults have more than that
REQUEST_TIMEOUT = 2  # seconds
REPLY_TIMEOUT = 90  # seconds; STATE may be locked for 30, and the machine may be busy
MEMORY_GROWTH = 2_000_000  # bytes that are no leak: the allocator's, and SQLite's cache
PROGRESS = 5.0  # seconds between two lines

_context = multiprocessing.get_context("fork")


@dataclass
class Result:
    """What came of it.

    Attributes:
        before: What the helper took after warming up, with nothing to do.
        after: The same at the end.
        most: The most that was seen of each in between.
        findings: What was wrong.
    """

    before: Sample | None = None
    after: Sample | None = None
    most: list[Sample] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)


class Soak:
    """A helper, its clients, and what goes wrong.

    Args:
        program: The helper's command line.
        count: How many clients.
        folder: For the socket, STATE, the disks and the log.
    """

    def __init__(self, program: Sequence[str], count: int, folder: Path) -> None:
        self.count = count
        self.result = Result()
        self._socket, state = folder / "helper.sock", folder / "state.db"
        connections = count + MORE_CONNECTIONS
        options = [f"--simulate={state}", f"--initiator={clients.INITIATOR}"]
        options += [f"--max-connections={connections}", f"--request-timeout={REQUEST_TIMEOUT}"]
        self.helper = WatchedHelper([*program, *options], self._socket, folder / "log")
        self._running, self._ended = _context.Event(), _context.Event()
        self.replies = RawArray("Q", count)
        self.faults = RawArray("Q", len(faults.FAULTS))
        self._reports = _context.SimpleQueue()
        self._progress = [(0, time.monotonic())] * count
        scene = faults.Scene(str(self._socket), state, self._disk(folder), connections)
        self._processes = [
            _context.Process(
                target=clients.run,
                args=(
                    *(range(first, min(first + CLIENTS_A_PROCESS, count)), str(self._socket)),
                    *(folder, self._running, self._ended),
                    *(lambda number: _increase(self.replies, number), self._reports),
                ),
            )
            for first in range(0, count, CLIENTS_A_PROCESS)
        ]
        self._processes.append(
            _context.Process(
                target=faults.run,
                args=(
                    *(scene, self._running, self._ended),
                    lambda number: _increase(self.faults, number),
                ),
            )
        )
        for process in self._processes:
            process.start()

    def go_on(self, seconds: float, what: str) -> None:
        """Let clients and faults go on for a while, and look at the helper meanwhile."""
        begin = shown = time.monotonic()
        self._progress = [(count, begin) for count in self.replies]
        self._running.set()
        while (now := time.monotonic()) - begin < seconds and not self._is_wrong():
            time.sleep(min(0.5, seconds))
            self.result.most.append(self.helper.sample())
            if now - shown >= PROGRESS:
                shown = now
                _show(
                    f"soak: {what}: {now - begin:.0f} of {seconds:.0f} s: {sum(self.replies)}"
                    f" replies, {sum(self.faults)} faults; {self.result.most[-1]}"
                )
        self._running.clear()

    def at_rest(self) -> Sample:
        """Give what the helper takes when its clients are connected and do nothing."""
        last = -1
        while (now := sum(self.replies) + sum(self.faults)) != last:
            last = now
            time.sleep(REQUEST_TIMEOUT + 1)  # so long may a fault take to end
        return self.helper.settled()

    def end(self) -> None:
        """Have the clients leave, and the helper stop."""
        self._ended.set()
        self._running.set()
        for process in self._processes:
            process.join(REPLY_TIMEOUT)
            if process.is_alive():
                process.kill()
                self.result.findings.append(f"{process.name} does not end")
        while not self._reports.empty():
            self.result.findings.append(self._reports.get())
        self.result.findings += self.helper.end()

    def _is_wrong(self) -> bool:
        """Tell whether there is a finding, so that going on tells nothing more."""
        found = self.result.findings
        while not self._reports.empty():
            found.append(self._reports.get())
        if self.helper.process.poll() is not None:
            found.append(f"the helper ended with status {self.helper.process.returncode}")
        now = time.monotonic()
        for number, count in enumerate(self.replies):
            if count != self._progress[number][0]:
                self._progress[number] = (count, now)
            elif now - self._progress[number][1] > REPLY_TIMEOUT:
                found.append(f"client {number}: no reply for {REPLY_TIMEOUT} s")
        return bool(found)

    def _disk(self, folder: Path) -> int:
        return os.open(folder / "faulty-disk", os.O_RDWR | os.O_CREAT, 0o600)


def _increase(array: "multiprocessing.sharedctypes.Array[int]", number: int) -> None:
    array[number] += 1  # no other process writes there


def _show(line: str) -> None:
    """Show how far it is: on a terminal in place of what was shown before."""
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", flush=True, file=sys.stderr)
    elif line:
        print(line, flush=True, file=sys.stderr)


def grown(before: Sample, after: Sample) -> list[str]:
    """Say what the helper holds that it did not hold before."""
    found = []
    if after.descriptors > before.descriptors:
        found.append(f"descriptors: {after.descriptors}, and {before.descriptors} before")
    if after.threads > before.threads:
        found.append(f"threads: {after.threads}, and {before.threads} before")
    if after.resident > before.resident + MEMORY_GROWTH:
        found.append(f"memory: {after.resident / 1e6:.1f} MB, {before.resident / 1e6:.1f} before")
    return found


def table(soak: Soak, seconds: float) -> str:
    """Write what came of it, for people."""
    replies = sorted(soak.replies)
    lines = [
        f"{'seconds':22}{seconds:>12.0f}",
        f"{'clients':22}{soak.count:>12}",
        f"{'replies, all checked':22}{sum(replies):>12}   {replies[0]} to {replies[-1]} a client",
    ]
    lines += [
        f"{fault.__name__.replace('_', ' '):22}{count:>12}"
        for fault, count in zip(faults.FAULTS, soak.faults, strict=True)
    ]
    result = soak.result
    if result.before and result.after and result.most:
        lines.append(f"\n{'the helper':22}{'warmed up':>12}{'most':>12}{'at the end':>12}")
        for name in ("descriptors", "threads"):
            before, after = getattr(result.before, name), getattr(result.after, name)
            most = max(getattr(sample, name) for sample in result.most)
            lines.append(f"{name:22}{before:>12}{most:>12}{after:>12}")
        sizes = (result.before, max(result.most, key=lambda one: one.resident), result.after)
        lines.append(
            f"{'resident size, MB':22}" + "".join(f"{one.resident / 1e6:>12.1f}" for one in sizes)
        )
    lines.append(f"\n{'findings':22}{len(result.findings):>12}")
    return "\n".join([*lines, *result.findings])


def main() -> int:
    """Soak."""
    parser = argparse.ArgumentParser(description="Load a helper for long, with faults.")
    parser.add_argument("--seconds", type=float, default=60, help="how long (default: 60)")
    parser.add_argument("--clients", type=int, default=64, help="how many (default: 64)")
    parser.add_argument(
        "--program",
        default=shlex.join([sys.executable, "-m", "qemu_pr.cli.qemu_pr_helper"]),
        help="the helper's command line",
    )
    options = parser.parse_args()
    warm_up = min(60.0, options.seconds / 5)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="soak", dir="/tmp") as folder:
        soak = Soak(shlex.split(options.program), options.clients, Path(folder))
        result = soak.result
        try:
            soak.go_on(warm_up, "warming up")
            if not result.findings:
                result.before = soak.at_rest()
                soak.go_on(options.seconds - warm_up, "soaking")
                result.after = soak.at_rest()
                result.findings += grown(result.before, result.after)
        except KeyboardInterrupt:
            result.findings.append("interrupted")
        finally:
            soak.end()
            _show("")
    print(table(soak, time.monotonic() - begin))
    return int(bool(result.findings))


if __name__ == "__main__":
    sys.exit(main())
