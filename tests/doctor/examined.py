"""What the tests of the doctor call things."""

import subprocess
import sys
from collections.abc import Callable

OURS = (sys.executable, "-m", "qemu_pr.cli.qemu_pr_helper")

Start = Callable[..., subprocess.Popen[bytes]]
Examine = Callable[..., tuple[int, list[dict[str, str]]]]
