"""One page's examples at work: they share a directory, shells and Python namespaces, in order."""

import contextlib
import functools
import os
import tempfile
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

from qemu_pr.verified_examples import commands, doctests
from qemu_pr.verified_examples.examples import (
    Block,
    Checked,
    Console,
    Lack,
    Note,
    PrintedBy,
    Python,
    Terms,
)
from qemu_pr.verified_examples.launchers import write_launchers
from qemu_pr.verified_examples.session import Session, environment


def start_afresh() -> None:
    """Forget what the builder was started with, as far as it could decide what an example does.

    For a process that does nothing but verify one page.
    """
    os.umask(0o022)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    warnings.resetwarnings()
    for name in ("TMPDIR", "TEMP", "TMP"):  # a socket's path has room for 107 bytes only
        os.environ.pop(name, None)
    tempfile.tempdir = None  # what these had said


class Page:
    """Where the examples of a page run; a context manager that leaves nothing behind.

    Inside it, the working directory is a new, empty one: the page's. Its shells start there.
    """

    def __init__(self, timeout: float, flags: int) -> None:
        """Set up nothing yet.

        Args:
            timeout: Seconds that a command may take, unless its block says otherwise.
            flags: Flags of doctest, for the Python blocks.
        """
        self._timeout = timeout
        self._flags = flags
        self._sessions: dict[str, Session] = {}
        self._namespaces: defaultdict[str, dict[str, Any]] = defaultdict(
            lambda: {"__name__": "__main__"}
        )
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> "Page":
        """Go to the page's directory."""
        own = self._new_directory("programs-")
        self._directory = self._new_directory("page-")
        self._environment = environment(self._directory, write_launchers(own))
        self._cleanup.enter_context(contextlib.chdir(self._directory))
        return self

    def __exit__(self, *_error: object) -> None:
        """End what the page started, and remove its directory."""
        self._cleanup.close()

    def lacks(self, block: Block) -> list[Lack]:
        """Say what keeps a block from being verified on this machine; nothing if it can be."""
        match block.example:
            case Console(terms) | PrintedBy(terms) | Checked(terms):
                path = self._environment["PATH"]
                return [lack for need in terms.requires if (lack := need.lack(path))]
            case Python() as python:
                why = doctests.why_skipped(python, self._namespaces[python.groups[0]])
                return [Lack(why)] if why else []
            case _:
                return []

    def verify(self, block: Block) -> list[Note]:
        """Run a block's commands or statements, and tell what about it is not true."""
        match block.example:
            case Console(terms) as console:
                return list(commands.verify_console(console, self._runner(terms)))
            case PrintedBy(terms) as text:
                return list(commands.verify_printed(text, self._runner(terms)))
            case Checked(terms) as text:
                return list(commands.verify_checked(text, self._runner(terms)))
            case Python(groups=groups) as python:
                run = functools.partial(
                    doctests.run, python, flags=self._flags, file=block.file, line=block.line
                )
                return [note for group in groups for note in run(self._namespaces[group])]
            case _:
                return []

    def _new_directory(self, prefix: str) -> Path:
        return Path(self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix=prefix)))

    def _runner(self, terms: Terms) -> commands.Run:
        if terms.session not in self._sessions:
            session = Session(self._directory, self._environment)
            self._sessions[terms.session] = session
            self._cleanup.callback(session.close)
        timeout = self._timeout if terms.timeout is None else terms.timeout
        return functools.partial(self._sessions[terms.session].run, timeout=timeout)
