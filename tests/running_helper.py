"""A helper process that serves until the end of a block."""

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from qemu_pr.manager import ConnectError, PRManagerHelper


@contextmanager
def running_helper(command: Sequence[str], path: str, *options: str) -> Iterator[None]:
    """Run a helper; it greets clients when the block begins.

    Args:
        command: The program.
        path: Its socket.
        options: More options.
    """
    process = subprocess.Popen([*command, "-k", path, *options])
    try:
        deadline = time.monotonic() + 20
        while not _greets(path):
            assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
            assert time.monotonic() < deadline, f"{command[0]} does not serve"
            time.sleep(0.002)
        yield
    finally:
        process.terminate()
        process.wait()


def _greets(path: str) -> bool:
    try:
        PRManagerHelper(path).close()
    except ConnectError:
        return False
    return True
