"""Run the project's commands on Debian's releases, each in a chroot of its own: make matrix.

A chroot is made once by debootstrap, kept in a cache outside the checkout, and brought up to date
by every run. The files of this checkout are copied into it; its Python, its programs and, in the
lab, its kernel are those of the release. Needs root, and this computer's network.
"""

import argparse
import os
import re
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from chroot import PROJECT_INSIDE, Chroot, sources_of_this_machine, why_no_chroot

PROJECT = Path(__file__).resolve().parents[2]
RELEASES = ("bookworm", "trixie", "sid")
INSTALL = "install"
STEPS = {
    INSTALL: ".ci/install",
    "make": "make ALL=1",
    "lint": "make lint",
    "fuzz": "make fuzz RUNS=1000 SEED=1",  # it installs what tests of fuzzing need
    "test": "make test ALL=1",
    "lab": "make lab",
}
# A line that tells counts, of pytest and of `make`; the lab puts the machine's name before it.
COUNTS = re.compile(
    r"^(?:(\w+) +\| )?(.*\b\d+ (?:passed|failed|blocks verified)\b.*)$", re.MULTILINE
)

# Where pytest begins to tell what failed. Other programs tell it last.
FAILURES = re.compile(r"^(?:\w+ +\| )?=+ (?:FAILURES|ERRORS) =+$", re.MULTILINE)
LAST_LINES = 60
MOST_LINES = 1000  # of pytest's


@dataclass(frozen=True)
class Result:
    """What a step came to on a release."""

    release: str
    step: str
    status: int
    seconds: float
    counts: str
    log: Path

    def row(self) -> str:
        """Give its line of the table."""
        outcome = "ok" if self.status == 0 else f"FAILED ({self.status})"
        minutes, seconds = divmod(round(self.seconds), 60)
        time_taken = f"{minutes:3}:{seconds:02}"
        return f"{self.release:10} {self.step:8} {outcome:12} {time_taken}  {self.counts}"


def main() -> int:
    """Run the matrix.

    Returns:
        0 if everything passed.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    options = _parse()
    _refuse_what_cannot_work()
    results = []
    for release in options.releases:
        chroot = Chroot(release, options.cache / release)
        with chroot.claimed():
            chroot.bring_up_to_date(
                [(options.mirror, release)] if options.mirror else sources_of_this_machine(release)
            )
            chroot.copy_in(PROJECT)
            for step in dict.fromkeys([INSTALL, *options.steps]):
                results.append(_run(chroot, step, options))
                print(f"matrix: {results[-1].row()}", flush=True)
                if results[-1].status:
                    print(_what_failed(results[-1].log), flush=True)
                _write_table(results, options.output)
                if step == INSTALL and results[-1].status:
                    break
    print(_write_table(results, options.output))
    return int(any(result.status for result in results))


def _run(chroot: Chroot, step: str, options: argparse.Namespace) -> Result:
    directory = options.output / chroot.release
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / f"{step}.log"
    command = STEPS[step]
    if step == "lab" and options.lab:
        command += f" LAB={shlex.quote(options.lab)}"
    begin = time.monotonic()
    with log.open("wb") as file:
        status = chroot.run(["sh", "-c", command], file, with_certificates=step != INSTALL)
    seconds = time.monotonic() - begin
    if step == "lab":
        chroot.copy_out("build/lab", directory / "lab")
    return Result(chroot.release, step, status, seconds, _counts(log), log)


def _counts(log: Path) -> str:
    last = dict(COUNTS.findall(log.read_text(errors="replace")))
    return "; ".join(f"{name} {counts.strip(' =')}".strip() for name, counts in last.items())


def _what_failed(log: Path) -> str:
    """Give the part of a log that tells what failed: the log may be gone with the machine."""
    text = log.read_text(errors="replace")
    told = FAILURES.search(text)
    lines = (
        text[told.start() :].splitlines()[-MOST_LINES:] if told else text.splitlines()[-LAST_LINES:]
    )
    return "\n".join([*(f"    {line}" for line in lines), f"matrix: the whole log: {log}"])


def _write_table(results: Iterable[Result], output: Path) -> str:
    heading = f"{'release':10} {'step':8} {'outcome':12} {'time':>6}  counts"
    table = "\n".join([heading, *(one.row() for one in results)])
    output.mkdir(parents=True, exist_ok=True)
    (output / "table.txt").write_text(table + "\n")
    return table


def _refuse_what_cannot_work() -> None:
    if os.geteuid() != 0:
        sys.exit("matrix: a chroot needs root: sudo make matrix")
    missing = [program for program in ("debootstrap", "unshare") if not shutil.which(program)]
    if missing:
        sys.exit(f"matrix: {', '.join(missing)} is missing: apt-get install debootstrap util-linux")
    if refused := why_no_chroot():
        sys.exit(
            f"matrix: this machine refuses a namespace or a mount that a chroot takes ({refused}):"
            " run it where root may have them; in a container: --privileged"
        )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make matrix",
        description="Run make, make lint, make test and make lab on several releases of Debian.",
        epilog=f"The checkout is at {PROJECT_INSIDE} in a chroot; its .venv and build stay there.",
    )
    parser.add_argument(
        "--releases",
        type=_words,
        default=list(RELEASES),
        metavar="NAMES",
        help="bookworm,trixie,sid",
    )
    parser.add_argument(
        "--steps",
        type=_steps,
        default=[step for step in STEPS if step != INSTALL],
        metavar="NAMES",
        help=f"what runs on each (default: all of {','.join(STEPS)})",
    )
    parser.add_argument("--lab", default="", help="arguments for the lab, as in make lab LAB=…")
    parser.add_argument(
        "--mirror",
        default="",
        metavar="URI",
        help="an archive that has all releases (default: that of this computer's apt)",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("/var/cache/qemu-pr-matrix"),
        metavar="DIR",
        help="where chroots are kept, some 4 GB each (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=PROJECT / "build/matrix",
        metavar="DIR",
        help="where the table and the logs go (default: build/matrix)",
    )
    return parser.parse_args()


def _words(text: str) -> list[str]:
    return text.split(",")


def _steps(text: str) -> list[str]:
    if unknown := set(_words(text)) - STEPS.keys():
        raise argparse.ArgumentTypeError(f"no such step: {', '.join(sorted(unknown))}")
    return _words(text)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("matrix: interrupted")
