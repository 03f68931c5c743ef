"""`qemu-pr` in this process: in an emulated machine Python takes seconds to start."""

import io
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple

from qemu_pr.cli.qemu_pr import main


class Done(NamedTuple):
    """What came of a program."""

    status: int
    stdout: str
    stderr: str


def qemu_pr(*arguments: str) -> Done:
    """Run `qemu-pr`."""
    stdout, stderr = io.TextIOWrapper(io.BytesIO()), io.StringIO()
    with redirect_stdout(stdout), redirect_stderr(stderr):
        status = main(arguments)
    stdout.flush()
    return Done(status, stdout.buffer.getvalue().decode(), stderr.getvalue())
