"""Runs `qemu-pr validate` in this process."""

import io
import json
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from qemu_pr.cli.qemu_pr import main


class Done(NamedTuple):
    """What came of a run."""

    status: int
    stdout: str
    stderr: str

    @property
    def certificate(self) -> dict[str, Any]:
        """What --json printed."""
        assert self.stdout, self.stderr
        return json.loads(self.stdout)

    def named(self, outcome: str) -> set[str]:
        """The names of the checks with an outcome."""
        checks = self.certificate["checks"]
        return {check["check"] for check in checks if check["outcome"] == outcome}


Validate = Callable[..., Done]


def validate_disk(*arguments: str | Path) -> Done:
    """Run the subcommand in this process."""
    stdout, stderr = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    with redirect_stdout(stdout), redirect_stderr(stderr):
        status = main(["validate", *map(str, arguments)])
    stdout.flush()
    return Done(status, stdout.buffer.getvalue().decode(), stderr.getvalue())
