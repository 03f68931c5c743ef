"""What a page says about each of its blocks, and how an example can turn out to be untrue."""

import functools
import operator
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field

from qemu_pr.verified_examples.transcript import Step


@dataclass(frozen=True, slots=True)
class Note:
    """What there is to say about a line of a block; of an example that ran: why it is not true.

    Attributes:
        line: The line, counted from 0 at the first line of the block.
        text: One line: the command or statement in question, or a reason.
        details: A unified diff, an exit status, a traceback; one line or several, or none.
    """

    line: int
    text: str
    details: str = ""


@dataclass(frozen=True, slots=True)
class Lack:
    """Why an example cannot run on this machine.

    Attributes:
        why: One line, with what to do.
        package: The Debian package that would help; empty if none would.
        of_release: Whether it is true of releases other than the one here: nothing is missing.
    """

    why: str
    package: str = ""
    of_release: bool = False


@dataclass(frozen=True, slots=True)
class Program:
    """A program that not every machine has, or not in every release.

    Attributes:
        name: What is typed.
        package: The Debian package that brings it.
        relation: ``<`` or ``>=``, if not every release will do.
        release: What to compare its release with.
    """

    name: str
    package: str
    relation: str = ""
    release: str = ""

    def lack(self, path: str) -> Lack | None:
        """Say what to install, or which release is here; None if all is well.

        Args:
            path: The directories to look in, as in ``PATH``.
        """
        program = shutil.which(self.name, path=path)
        if program is None:
            why = f"{self.name} is not installed: on Debian, apt-get install {self.package}"
            return Lack(why, self.package)
        if not self.relation:
            return None
        here = release_of(program)
        if here and _COMPARE[self.relation](_numbers(here), _numbers(self.release)):
            return None
        found = f"is {here}" if here else "does not tell its release"
        why = f"needs {self.name} {self.relation} {self.release}, and the one here {found}"
        return Lack(why, of_release=bool(here))


_COMPARE = {"<": operator.lt, ">=": operator.ge}
_RELEASE = re.compile(r"\d+(?:\.\d+)+")


def _numbers(release: str) -> list[int]:
    return [int(number) for number in release.split(".")]


@functools.cache
def release_of(program: str) -> str:
    """Ask a program for its release: the first number with a dot that ``--version`` prints.

    Args:
        program: Its path.

    Returns:
        The release; empty if it does not tell.
    """
    try:
        told = subprocess.run(
            [program, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    found = _RELEASE.search(os.fsdecode(told.stdout + told.stderr))
    return found[0] if found else ""


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which terms the commands of an example run.

    Attributes:
        session: Which of the page's shells runs them; the unnamed one unless there are several.
        requires: Programs without which the example is skipped.
        timeout: Seconds that one command may take; None for the manual's usual limit.
    """

    session: str = ""
    requires: tuple[Program, ...] = ()
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Console:
    """A transcript: every command prints what the block shows.

    Attributes:
        exit: The exit status of the last command.
    """

    terms: Terms
    steps: tuple[Step, ...]
    exit: int = 0


@dataclass(frozen=True, slots=True)
class PrintedBy:
    """A text that a command prints, character for character."""

    terms: Terms
    command: str
    text: str


@dataclass(frozen=True, slots=True)
class Checked:
    """A text that a command accepts: reads it from standard input and returns 0."""

    terms: Terms
    command: str
    text: str


@dataclass(frozen=True, slots=True)
class Python:
    """A block of Python, of one of the directives of sphinx.ext.doctest or with ``>>>`` alone.

    Attributes:
        code: Statements; with prompts and output if `prompts` is set.
        prompts: Whether the block is an interactive session.
        output: What the statements print, where a ``testoutput`` block follows.
        options: Flags of doctest, by which to compare.
        groups: The namespaces to run in.
        skip_if: A Python expression; the example is skipped where it is true.
    """

    code: str
    prompts: bool
    output: str = ""
    options: dict[int, bool] = field(default_factory=dict)
    groups: tuple[str, ...] = ("default",)
    skip_if: str = "False"


@dataclass(frozen=True, slots=True)
class InLab:
    """A transcript that a lab runs: it needs more than a build has, such as real disks."""


@dataclass(frozen=True, slots=True)
class NotVerified:
    """A text that nothing here can verify, and the reason."""

    because: str


@dataclass(frozen=True, slots=True)
class Unmarked:
    """A block of which nothing is said. It must not be left so.

    Attributes:
        advice: What to do about it.
    """

    advice: str = "make it `console`, `verified`, `doctest` or `not-verified`"


Example = Console | PrintedBy | Checked | Python | InLab | NotVerified | Unmarked


@dataclass(frozen=True, slots=True)
class Block:
    """An example and its place in the manual.

    Attributes:
        file: The source file that the block is in, relative to the working directory of the build.
        line: The first line of the block's text, counted from 1.
        shown: Whether readers see it; set-up may be hidden.
        text: What it shows.
    """

    file: str
    line: int
    shown: bool
    text: str
    example: Example
