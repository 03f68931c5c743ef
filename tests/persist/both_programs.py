"""Runs ``sg_persist`` and ``qemu-pr persist`` on the same helper."""

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from functools import cached_property
from unittest.mock import patch

from qemu_pr.cli.qemu_pr import main
from scripted_helper import Answer, Received, ScriptedHelper


@dataclass(frozen=True)
class Outcome:
    """What a program did; two that sent the same and said the same on stdout are equal."""

    status: int
    stdout: bytes
    received: tuple[Received, ...] = ()
    stderr: str = field(default="", compare=False)


# What sg3_utils before 1.48 (sg_persist 0.73) made of the exit statuses that it tells apart.
BEFORE_1_48 = {12: 2, 13: 2, 19: 5}


@dataclass(frozen=True)
class SgPersist:
    """The real program, made to talk to a helper by the shim."""

    program: str
    shim: str

    @cached_property
    def is_older_than_1_48(self) -> bool:
        told = subprocess.run([self.program, "--version"], capture_output=True, text=True)
        version = re.search(r"(\d+)\.(\d+)", told.stdout + told.stderr)
        assert version, told
        return (int(version[1]), int(version[2])) < (0, 73)

    def as_in_1_48(self, theirs: Outcome, ours: Outcome) -> Outcome:
        """Give the outcome of the release whose exit statuses we promise."""
        coarse = self.is_older_than_1_48 and theirs.status == BEFORE_1_48.get(ours.status)
        return replace(theirs, status=ours.status) if coarse else theirs

    def run(self, socket: str, *args: str, stdin: bytes = b"", inquiry: bool = False) -> Outcome:
        options = () if inquiry else ("--no-inquiry",)
        done = subprocess.run(
            [self.program, *options, *args],
            env=os.environ | {"LD_PRELOAD": self.shim, "QEMU_PR_SHIM_SOCKET": socket},
            input=stdin,
            capture_output=True,
            timeout=20,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, stderr=done.stderr.decode())


def run_ours(socket: str, *args: str, stdin: bytes = b"", inquiry: bool = False) -> Outcome:
    """Run ``qemu-pr persist`` in this process."""
    options = () if inquiry else ("--no-inquiry",)
    stdout = io.TextIOWrapper(io.BytesIO())
    stderr = io.StringIO()
    with (
        redirect_stdout(stdout),
        redirect_stderr(stderr),
        patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin))),
    ):
        try:
            status = main(["persist", "--socket", socket, *options, *args])
        except SystemExit as end:
            status = int(end.code or 0)
    stdout.flush()
    return Outcome(status, stdout.buffer.getvalue(), stderr=stderr.getvalue())


@dataclass(frozen=True)
class Bench:
    """Both programs, one scripted helper and a regular file for a disk."""

    sg_persist: SgPersist
    helper: ScriptedHelper
    disk: str

    def real(self, answer: Answer, *args: str, stdin: bytes = b"") -> Outcome:
        """Run sg_persist with a helper that gives this answer."""
        with self._answering(answer) as received:
            outcome = self.sg_persist.run(self.helper.path, *args, stdin=stdin)
        return Outcome(outcome.status, outcome.stdout, tuple(received), outcome.stderr)

    def ours(self, answer: Answer, *args: str, stdin: bytes = b"") -> Outcome:
        """Run qemu-pr persist with a helper that gives this answer."""
        with self._answering(answer) as received:
            outcome = run_ours(self.helper.path, *args, stdin=stdin)
        return Outcome(outcome.status, outcome.stdout, tuple(received), outcome.stderr)

    def both(
        self, answer: Answer, args: Sequence[str], stdin: bytes = b""
    ) -> tuple[Outcome, Outcome]:
        """Run both: theirs and ours."""
        ours = self.ours(answer, *args, self.disk, stdin=stdin)
        theirs = self.real(answer, *args, self.disk, stdin=stdin)
        return self.sg_persist.as_in_1_48(theirs, ours), ours

    @contextmanager
    def _answering(self, answer: Answer) -> Iterator[list[Received]]:
        self.helper.answer = lambda _: answer
        self.helper.received = []
        yield self.helper.received
