"""A transcript of the manual, typed again where it belongs: on a host of the lab or in a guest."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from qemu_pr.sphinx_ext.session import Session, environment
from qemu_pr.sphinx_ext.transcript import difference, matches, normal, parse

Run = Callable[[str], str]
"""Runs a command and gives what it printed."""


def assert_true(transcript: str, run: Run) -> None:
    """Run a transcript's commands, and compare what they print with what it shows."""
    for step in parse(normal(transcript)):
        printed = normal(run(step.command))
        print(step, printed, sep="\n")
        assert matches(step.expected, printed), f"{step}\n{difference(step.expected, printed)}"


@contextmanager
def shell(directory: Path) -> Iterator[Run]:
    """Start a shell on the host, as it is in the page's other blocks."""
    with closing(Session(directory, environment(directory))) as session:
        yield lambda command: session.run(command, timeout=120).output


def first_line(transcript: str) -> str:
    """Name a test by the command that its transcript begins with."""
    return transcript.partition("\n")[0]
