"""Fuzz each target for a while, and print what came of it.

Run it with `make fuzz SECONDS=60`, for one target with `TARGET=requests`, for a number of inputs
with `RUNS=1000000`, for the same ones each time with `SEED=1` as well. An input that breaks a
promise is kept in build/fuzz, and `make fuzz TARGET=requests INPUT=…` tries it again. The exit
status is 1 if there is one.
"""

import argparse
import importlib.util
import os
import re
import select
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import targets

HERE = Path(__file__).parent
RESULTS = HERE.parent.parent / "build" / "fuzz"

INPUT_TIMEOUT = 20  # seconds that an input may take
MEMORY_MAX = 1024  # MB
_PROGRESS = 2.0  # seconds between two lines
_NEWS = re.compile(r"#(\d+)\s.*\bcov: (\d+) ft: (\d+)")
_RUNS = re.compile(r"stat::number_of_executed_units: (\d+)")
_SEEN = re.compile(r"=== Uncaught Python exception: ===\n(.*?)\n\n", re.DOTALL)


@dataclass
class Outcome:
    """What came of fuzzing a target.

    Attributes:
        target: Its name.
        runs: How many inputs were tried.
        seconds: How long that took.
        coverage: How many places of the code they reached.
        features: How many combinations of places and counts.
        findings: The files of inputs that broke a promise.
        failed: Why the fuzzer itself ended, empty if it did not fail.
    """

    target: str
    runs: int = 0
    seconds: float = 0.0
    coverage: int = 0
    features: int = 0
    findings: list[Path] = field(default_factory=list)
    failed: str = ""

    def take(self, text: str) -> None:
        """Take figures from what the fuzzer wrote."""
        for match in _NEWS.finditer(text):
            self.runs, self.coverage, self.features = map(int, match.groups())
        for match in _RUNS.finditer(text):
            self.runs = int(match[1])


def fuzz(name: str, limits: Sequence[str]) -> Outcome:
    """Fuzz one target.

    Args:
        name: The target.
        limits: What ends it, as libFuzzer's options.
    """
    target = targets.load(name)
    folder = RESULTS / name
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    words = "".join(map(_quoted, targets.words_of(target)))
    (folder / "words").write_text(words or "# none\n")
    before = set(_artifacts(folder))
    command = [
        *(sys.executable, str(HERE / "one_target.py"), name, *limits),
        *(f"-max_len={target.SIZE_MAX}", f"-dict={folder / 'words'}", "-print_final_stats=1"),
        *(f"-timeout={INPUT_TIMEOUT}", f"-rss_limit_mb={MEMORY_MAX}"),
        *(f"-artifact_prefix={folder}{os.sep}", str(folder / "corpus"), str(targets.CORPUS / name)),
    ]
    outcome = Outcome(name)
    said = ""
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    ) as process:
        for text in _while_it_runs(process, outcome):
            outcome.take(text)
            said = (said + text)[-100_000:]
    (folder / "log").write_text(said)
    outcome.findings = sorted(set(_artifacts(folder)) - before)
    if outcome.findings:
        for shown in _SEEN.findall(said):
            print(f"fuzz: {name}: {shown}", file=sys.stderr)
    elif process.returncode:
        outcome.failed = f"the fuzzer ended with {process.returncode}; see {folder / 'log'}"
    return outcome


def _while_it_runs(process: "subprocess.Popen[bytes]", outcome: Outcome) -> Iterator[str]:
    """Give what a process writes in pieces that end with a line, and show how far it is."""
    assert process.stdout
    began = shown = time.monotonic()
    rest = b""
    while True:
        if select.select([process.stdout], [], [], _PROGRESS)[0]:
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                break
            whole, newline, rest = (rest + data).rpartition(b"\n")
            yield (whole + newline).decode(errors="replace")
        outcome.seconds = time.monotonic() - began
        if time.monotonic() - shown >= _PROGRESS:
            shown = time.monotonic()
            _show(f"fuzz: {outcome.target}: {outcome.seconds:.0f} s, {outcome.runs} inputs or more")
    outcome.seconds = time.monotonic() - began
    _show("")


def _show(line: str) -> None:
    """Show how far it is: on a terminal in place of what was shown before."""
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", flush=True, file=sys.stderr)
    elif line:
        print(line, flush=True, file=sys.stderr)


def _artifacts(folder: Path) -> list[Path]:
    """Give the inputs that were kept because they broke a promise."""
    return [path for path in folder.iterdir() if re.match("(crash|timeout|oom|leak)-", path.name)]


def _quoted(word: bytes) -> str:
    r"""Write a word as libFuzzer's dictionaries have it: every byte as \x and two digits."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' if word else ""


def as_table(outcomes: Sequence[Outcome]) -> str:
    """Write outcomes as a table for people."""
    rows = [("target", "inputs", "seconds", "inputs/s", "coverage", "features", "findings")]
    for one in outcomes:
        rate = f"{one.runs / max(one.seconds, 0.001):.0f}"
        found = one.failed or str(len(one.findings))
        numbers = (f"{one.runs}", f"{one.seconds:.0f}", rate, f"{one.coverage}", f"{one.features}")
        rows.append((one.target, *numbers, found))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    first, *others = widths
    return "\n".join(
        "  ".join([row[0].ljust(first), *map(str.rjust, row[1:], others)]) for row in rows
    )


def try_again(name: str, path: Path) -> int:
    """Try one input, as it was kept; give the exit status."""
    try:
        targets.load(name).check(path.read_bytes())
    except Exception:
        traceback.print_exc()
        print(f"fuzz: {name}: {path}: breaks a promise, as above", file=sys.stderr)
        return 1
    print(f"fuzz: {name}: {path}: keeps all promises")
    return 0


def main() -> int:
    """Fuzz."""
    parser = argparse.ArgumentParser(description="Fuzz what reads other people's bytes.")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: 60)")
    parser.add_argument("--runs", type=int, help="for so many inputs, however long that takes")
    parser.add_argument("--seed", type=int, help="what the inputs are made from (default: random)")
    parser.add_argument("--target", choices=targets.NAMES, help="this one only", metavar="TARGET")
    parser.add_argument("--input", type=Path, metavar="FILE", help="try this input, once")
    options = parser.parse_args()
    if options.input:
        if not options.target:
            parser.error("an input needs its target: make fuzz TARGET=NAME INPUT=FILE")
        if not options.input.is_file():
            parser.error(f"{options.input}: no such file")
        return try_again(options.target, options.input)
    if importlib.util.find_spec("atheris") is None:
        print(
            "fuzz: skipped: the package atheris is not installed; it is there for Python 3.11 to"
            " 3.14 on x86-64: make fuzz PYTHON=python3.11",
            file=sys.stderr,
        )
        return 0
    limits = [f"-max_total_time={options.seconds}"]
    if options.runs is not None:
        limits = [f"-runs={options.runs}"]
    if options.seed is not None:
        limits.append(f"-seed={options.seed}")
    outcomes: list[Outcome] = []
    try:
        for name in [options.target] if options.target else targets.NAMES:
            outcomes.append(fuzz(name, limits))
    except KeyboardInterrupt:
        _show("")
        print("fuzz: interrupted", file=sys.stderr)
    print(as_table(outcomes))
    for outcome in outcomes:
        for path in outcome.findings:
            shown = os.path.relpath(path)
            print(f"found {shown}; again: make fuzz TARGET={outcome.target} INPUT={shown}")
    return int(any(one.findings or one.failed for one in outcomes))


if __name__ == "__main__":
    sys.exit(main())
