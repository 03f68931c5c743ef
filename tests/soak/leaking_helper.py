"""A helper that leaks or lies, as its first argument says, to see that the soak finds it.

Run it as `leaking_helper.py descriptors|replies OPTIONS`.
"""

import os
import sys
from itertools import count

from qemu_pr.cli import qemu_pr_helper
from qemu_pr.devices.simulated import SimulatedDevice
from qemu_pr.scsi.status import GOOD, Completion

_execute = SimulatedDevice.execute
_commands = count(1)


def _leak(self: SimulatedDevice, fd: int, cdb: bytes, data_out: bytes) -> Completion:
    if next(_commands) % 100 == 0:
        os.dup(fd)
    return _execute(self, fd, cdb, data_out)


def _lie(self: SimulatedDevice, fd: int, cdb: bytes, data_out: bytes) -> Completion:
    completion = _execute(self, fd, cdb, data_out)
    return GOOD if next(_commands) % 100 == 0 else completion


if __name__ == "__main__":
    SimulatedDevice.execute = {"descriptors": _leak, "replies": _lie}[sys.argv.pop(1)]
    sys.exit(qemu_pr_helper.main())
