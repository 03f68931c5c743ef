"""Where a command is carried out: one module a kind of device."""

from typing import Protocol

from qemu_pr.scsi.status import Completion


class Device(Protocol):
    """A place where PERSISTENT RESERVE commands are carried out."""

    def execute(self, fd: int, cdb: bytes, data_out: bytes) -> Completion:
        """Carry out one command on an open file.

        Args:
            fd: The descriptor that the client passed; the caller closes it.
            cdb: 16 bytes: PERSISTENT RESERVE IN or OUT (10 bytes), then zeros.
            data_out: The parameter list of PERSISTENT RESERVE OUT, at most 8192 bytes, else empty.

        Returns:
            Status, sense and data; data may be longer than the allocation length, the caller cuts.
        """
        ...
