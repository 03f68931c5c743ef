"""The helper with one part replaced: a device that reads its answer from the descriptor.

Nothing to read: the disk hangs. A byte: the command ends with GOOD, the byte is its data. The end
of the stream: the device raises an exception.
"""

import os
import sys

from qemu_pr.cli import qemu_pr_helper
from qemu_pr.helper import devices
from qemu_pr.scsi.status import Completion, Status


class PipeDevice:
    def execute(self, fd: int, _cdb: bytes, _data_out: bytes) -> Completion:
        data = os.read(fd, 1)
        if not data:
            raise LookupError("the pipe ended")
        return Completion(Status.GOOD, data=data)


if __name__ == "__main__":
    devices.ScsiDisk = PipeDevice  # type: ignore[assignment,misc]
    sys.exit(qemu_pr_helper.main())
