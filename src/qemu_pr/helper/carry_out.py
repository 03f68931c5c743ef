"""One command on one descriptor, whatever the device: what the helper itself adds to it."""

import fcntl
import os
from time import monotonic

from qemu_pr.devices import FAILED, Device, DeviceError
from qemu_pr.helper.events import Events
from qemu_pr.protocol import Request
from qemu_pr.scsi.opcodes import PERSISTENT_RESERVE_OUT
from qemu_pr.scsi.sense import INVALID_OPERATION_CODE
from qemu_pr.scsi.status import Completion

_INVALID_OPERATION_CODE = Completion.check_condition(INVALID_OPERATION_CODE)


class Client:
    """Who connected, as the kernel told it then.

    Attributes:
        process: The process ID; 0 if it is in another process ID namespace.
        user: That process's user ID.
        origin: With an audit log, what /proc had of the process when it connected.
    """

    def __init__(self, process: int, user: int) -> None:
        self.process = process
        self.user = user
        self.origin: tuple[bytes, ...] = ()

    def __str__(self) -> str:
        """Give the process ID, for the log."""
        return str(self.process)


class CarriedOut:
    """A command that is finished, with all that may be told of it.

    Attributes:
        client: Who sent it.
        fd: The descriptor that came with it, still open.
        request: The request.
        completion: What it came to.
        seconds: How long it took.
    """

    def __init__(
        self, client: Client, fd: int, request: Request, completion: Completion, seconds: float
    ) -> None:
        self.client = client
        self.fd = fd
        self.request = request
        self.completion = completion
        self.seconds = seconds

    @property
    def path(self) -> str:
        """The path of the disk, as this process sees it."""
        return path_of(self.fd)

    @property
    def sense(self) -> str:
        """The sense data in hex, for the log."""
        return self.completion.sense.hex() or "none"

    @property
    def data_size(self) -> int:
        """How many bytes of data it returned."""
        return len(self.completion.data)


def carry_out(
    device: Device, fd: int, request: Request, client: Client, events: Events
) -> Completion:
    """Carry out a request; whatever goes wrong becomes sense data.

    Args:
        device: Where to.
        fd: The descriptor that came with the request; the caller closes it.
        request: The request.
        client: Who sent it, for the log.
        events: Where to report what happens.
    """
    began = monotonic()
    if "pr_helper_request" in events.heard:
        events("pr_helper_request", client, request.cdb.hex(), len(request.data_out))
    try:
        if request.cdb[0] == PERSISTENT_RESERVE_OUT and _is_read_only(fd):
            completion = _INVALID_OPERATION_CODE
        else:
            completion = device.execute(fd, request.cdb, request.data_out)
    except DeviceError as error:
        events("pr_helper_command_fail", client, path_of(fd), error)
        completion = error.completion
    except Exception as error:  # a defect in one device must not stop the guests of the others
        events("pr_helper_device_fail", client, repr(error))
        completion = FAILED
    if "pr_helper_reply" in events.heard:
        seconds = monotonic() - began
        events("pr_helper_reply", CarriedOut(client, fd, request, completion, seconds))
    return completion


def _is_read_only(fd: int) -> bool:
    """Whether a client may only read: it must not change with a command what it cannot write."""
    return fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY


def path_of(fd: int) -> str:
    """Give the path of an open file, as this process sees it."""
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return f"descriptor {fd}"
