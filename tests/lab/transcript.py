"""A transcript of the manual, typed again where it belongs: on a host of the lab or in a guest."""

import datetime
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

from qemu_pr.doctor.multipath import installed_release
from qemu_pr.verified_examples.examples import release_of
from qemu_pr.verified_examples.results import note_lab_run
from qemu_pr.verified_examples.session import Session, environment
from qemu_pr.verified_examples.transcript import difference, matches, normal, parse
from waiting import PATIENCE

Run = Callable[[str], str]
"""Runs a command and gives what it printed."""


def assert_true(transcript: str, run: Run) -> None:
    """Run a transcript's commands, compare what they print with what it shows, and note it."""
    for step in parse(normal(transcript)):
        printed = normal(run(step.command))
        print(step, printed, sep="\n")
        assert matches(step.expected, printed), f"{step}\n{difference(step.expected, printed)}"
    output = Path(os.environ["QEMU_PR_LAB_OUTPUT"])
    note_lab_run(output, transcript, datetime.date.today().isoformat(), _releases())


@cache
def _releases() -> str:
    qemu = release_of("qemu-system-x86_64")
    return f"QEMU {qemu}, Linux {platform.release()}, multipath-tools {_multipath_tools()}"


def _multipath_tools() -> str:
    found = installed_release()
    return ".".join(map(str, found)) if found else "none"


@contextmanager
def shell(directory: Path) -> Iterator[Run]:
    """Start a shell on the host, as it is in the page's other blocks."""
    with closing(Session(directory, environment(directory))) as session:
        yield lambda command: session.run(command, timeout=PATIENCE).output


def first_line(transcript: str) -> str:
    """Name a test by the command that its transcript begins with."""
    return transcript.partition("\n")[0]
