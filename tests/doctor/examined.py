"""What the tests of the doctor call things."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

OURS = (sys.executable, "-m", "qemu_pr.cli.qemu_pr_helper")

Start = Callable[..., subprocess.Popen[bytes]]
Examine = Callable[..., tuple[int, list[dict[str, str]]]]


@contextmanager
def not_root() -> Iterator[None]:
    """Be somebody who may not open everything."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
