"""Which version a running helper is, without running what its command line names.

QEMU's helper has it in its program, which /proc keeps even after an upgrade. Ours is a script: what
is installed beside it tells, unless that is newer than the process.
"""

import os
import re
from pathlib import Path

from qemu_pr.host.process import Process

_IN_PROGRAM = re.compile(rb"%s (\d+\.\d+\.\d+[^\n\0]{0,80})\n")  # what --version prints
_PROGRAM_SIZE_MAX = 64 << 20
_INSTALLED = re.compile(r"qemu_pr-([\w.+!]+?)(?:-py[\d.]+)?\.(?:dist|egg)-info")
_WORDS = 4  # the interpreter, its options and the script
_PLACES = ("lib/python3*/site-packages", "lib/python3*/dist-packages", "lib/qemu-pr")


def version_of(helper: Process) -> str | None:
    """Tell the version of a helper; None if it is not known.

    Args:
        helper: Its process.
    """
    if helper.is_of_this_package:
        return _installed(helper)
    try:
        with (helper.proc / str(helper.pid) / "exe").open("rb") as program:
            found = _IN_PROGRAM.search(program.read(_PROGRAM_SIZE_MAX))
    except OSError:
        return None
    return found[1].decode(errors="replace") if found else None


def _installed(helper: Process) -> str | None:
    started = _started(helper)
    for program in filter(os.path.isabs, helper.arguments[:_WORDS]):
        prefix = Path(helper.file(os.path.dirname(os.path.dirname(program))))
        for place in _PLACES:
            for directory in prefix.glob(f"{place}/qemu_pr-*-info"):
                match = _INSTALLED.fullmatch(directory.name)
                if match and (started is None or directory.stat().st_mtime <= started):
                    return match[1]
    return None


def _started(helper: Process) -> float | None:
    """Tell when a process started, in seconds since 1970; None if /proc does not say."""
    try:
        stat = (helper.proc / str(helper.pid) / "stat").read_text(errors="replace")
        boot = re.search(r"^btime (\d+)", (helper.proc / "stat").read_text(), re.MULTILINE)
        ticks = int(stat.rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None
    return int(boot[1]) + ticks / os.sysconf("SC_CLK_TCK") if boot else None
