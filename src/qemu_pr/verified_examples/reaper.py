"""Run a command and leave none of its descendants behind, daemons included.

Killing a process group misses a daemon: it made its own session. So this program, which stands
between the manual's builder and a page's shell, adopts every orphan (PR_SET_CHILD_SUBREAPER of
prctl(2)) and ends them all when the shell ends, when it is told to, or when the builder is gone.

Run as a program: ``python reaper.py COMMAND [ARGUMENT]...``. It imports no package, to start fast.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time
from pathlib import Path

GRACE = 2.0  # seconds between asking a process to end and killing it
GIVE_UP = 4.0  # seconds after which what cannot be killed (another user's) is left alone

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main(command: list[str]) -> None:
    """Run a command until it ends, then end what it started."""
    libc = ctypes.CDLL(None, use_errno=True)
    # Blocked, and waited for: a signal that interrupted this program could come at a moment in
    # which it keeps the daemons from being ended.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM})
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    shell = os.posix_spawnp(command[0], command, os.environ, setsigmask=())
    while signal.sigwait({signal.SIGCHLD, signal.SIGTERM}) == signal.SIGCHLD:
        if shell in ended_children():
            break
    end_descendants()


def ended_children() -> list[int]:
    """Take every ended child out of the process table."""
    ended = []
    with contextlib.suppress(ChildProcessError):
        while pid := os.waitpid(-1, os.WNOHANG)[0]:
            ended.append(pid)
    return ended


def end_descendants() -> None:
    """Ask every child to end, then kill it; the children of a dead child become ours."""
    start = time.monotonic()
    asked: set[int] = set()
    while (elapsed := time.monotonic() - start) < GIVE_UP:
        ended_children()
        late = elapsed > GRACE
        if not (left := children()):
            return
        for pid in left:
            if late or pid not in asked:
                asked.add(pid)
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        signal.sigtimedwait({signal.SIGCHLD}, 0.1)


def children() -> list[int]:
    """List this process's children, as /proc tells them (proc(5): fields of stat)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            parent = stat.read_text(errors="replace").rpartition(")")[2].split()[1]
            if int(parent) == os.getpid():
                found.append(int(stat.parent.name))
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
