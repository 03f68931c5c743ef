"""Hosts that share simulated disks through real helpers, and the subcommand as a process."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from qemu_pr.manager import ConnectError, PRManagerHelper
from qemu_pr.scsi.commands import OutServiceAction, PersistentReserveOut
from qemu_pr.scsi.parameter_lists import ParameterList
from qemu_pr.scsi.status import Completion

PATIENCE = 20.0  # seconds; the machine may be busy

_PROGRAM = "from qemu_pr.cli import qemu_pr; raise SystemExit(qemu_pr.main())"
STATUS = (sys.executable, "-c", _PROGRAM, "status")


def run_status(
    *arguments: os.PathLike[str] | str, prefix: Sequence[str] = (), **popen: object
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, *STATUS, *map(os.fspath, arguments)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        **popen,
    )


@dataclass(frozen=True)
class Host:
    """A host: its helper's socket, and commands that it sends to one disk."""

    socket: str
    manager: PRManagerHelper
    fd: int

    def out(
        self, action: OutServiceAction, key: int, new: int = 0, type_: int = 0, **more: object
    ) -> Completion:
        data = ParameterList(key, new, **more).encode()
        cdb = PersistentReserveOut(action, len(data), type=type_).encode()
        return self.manager.execute(self.fd, cdb, data)

    def register(self, new: int, **more: object) -> Completion:
        return self.out(OutServiceAction.REGISTER_AND_IGNORE_EXISTING_KEY, 0, new, **more)

    def reserve(self, key: int, type_: int) -> Completion:
        return self.out(OutServiceAction.RESERVE, key, type_=type_)

    def preempt(self, key: int, victim: int, type_: int) -> Completion:
        return self.out(OutServiceAction.PREEMPT, key, victim, type_)


def connect(process: subprocess.Popen[bytes], socket: str) -> PRManagerHelper:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return PRManagerHelper(socket)
        except ConnectError:
            assert process.poll() is None, "the helper ended"
            assert time.monotonic() < deadline, "the helper does not serve"
            time.sleep(0.001)
