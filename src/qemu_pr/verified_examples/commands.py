"""Shell examples: run a block's commands and tell which lines of it are not true."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Protocol

from qemu_pr.verified_examples.examples import Checked, Console, Note, PrintedBy
from qemu_pr.verified_examples.session import Completed
from qemu_pr.verified_examples.transcript import (
    SHOW_STATUS,
    difference,
    fill_in,
    first_difference,
    matches,
    normal,
)


class Run(Protocol):
    """A shell that runs a command: `Session.run` with its time limit given."""

    def __call__(self, command: str, *, stdin: str = "") -> Completed: ...  # noqa: D102


def verify_console(console: Console, run: Run) -> Iterator[Note]:
    """Run a transcript, and compare what each command prints and how it ends.

    A command has to return 0, unless the page shows that it does not: it is the last of its block,
    which says ``:exit:``, or ``$ echo $?`` follows.
    """
    for step, following in zip_longest(console.steps, console.steps[1:]):
        done = run(step.command)
        expected, got = normal(step.expected), normal(done.output)
        why = []
        if done.status is None:
            why.append(str(done))
        elif not matches(expected, got):
            why.append(difference(fill_in(expected, got), got))
        if following is None and done.status not in (None, console.exit):
            why.append(f"exit status {done.status}, not {console.exit} (see option `:exit:`)")
        elif following and done.status and following.command != SHOW_STATUS:
            why.append(f"exit status {done.status}: let `$ {SHOW_STATUS}` follow to show it")
        if why:
            yield Note(step.line, str(step), "\n".join(why))
        if done.status is None:
            return


def verify_printed(text: PrintedBy, run: Run) -> Iterator[Note]:
    """Run a command, and compare what it prints with the text."""
    done = run(text.command)
    expected, got = normal(text.text), normal(done.output)
    if done.status != 0:
        yield Note(0, text.command, str(done))
    elif expected != got:
        yield Note(first_difference(expected, got), text.command, difference(expected, got))


def verify_checked(text: Checked, run: Run) -> Iterator[Note]:
    """Let a command read the text, and see whether it returns 0."""
    done = run(text.command, stdin=text.text + "\n")
    if done.status != 0:
        yield Note(0, text.command, str(done))
