"""Where a command is carried out: one module a kind of device."""

from qemu_pr.scsi.sense import LOGICAL_UNIT_COMMUNICATION_FAILURE
from qemu_pr.scsi.status import Completion

FAILED = Completion.check_condition(LOGICAL_UNIT_COMMUNICATION_FAILURE)
"""What to tell a client of a command that came to nothing, for a reason that is not the disk's."""


class Device:
    """A place where PERSISTENT RESERVE commands are carried out."""

    def execute(self, fd: int, cdb: bytes, data_out: bytes) -> Completion:
        """Carry out one command on an open file. Called by many threads at once.

        Args:
            fd: The descriptor that the client passed; the caller closes it.
            cdb: 16 bytes: PERSISTENT RESERVE IN or OUT (10 bytes), then zeros.
            data_out: The parameter list of PERSISTENT RESERVE OUT, at most 8192 bytes, else empty.

        Returns:
            Status, sense and data; data may be longer than the allocation length, the caller cuts.

        Raises:
            DeviceError: It could not be carried out, for a reason that belongs into a log.
        """
        raise NotImplementedError


class DeviceError(Exception):
    """A command failed for a reason that its sense data cannot tell; the text says what to do.

    Attributes:
        completion: What to tell the client.
    """

    def __init__(self, reason: str, completion: Completion = FAILED) -> None:
        super().__init__(reason)
        self.completion = completion
