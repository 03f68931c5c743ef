"""The helper with one part replaced: a device that takes as long as the file in question says.

The file holds a number of seconds. A command's data is the ID of the process that carried it out.
Where it ends with "map", the helper takes the file for a multipath map.
"""

import os
import sys
import time

from qemu_pr.cli import qemu_pr_helper
from qemu_pr.helper import connection, devices
from qemu_pr.scsi.status import Completion, Status


class SlowDevice:
    def execute(self, fd: int, _cdb: bytes, _data_out: bytes) -> Completion:
        if seconds := float(os.pread(fd, 16, 0).removesuffix(b"map")):
            time.sleep(seconds)
        return Completion(Status.GOOD, data=str(os.getpid()).encode())


if __name__ == "__main__":
    devices.ScsiDisk = SlowDevice  # type: ignore[assignment,misc]
    connection.is_multipath_map = lambda fd: os.pread(fd, 16, 0).endswith(b"map")
    sys.exit(qemu_pr_helper.main())
