"""One command on one descriptor, whatever the device: what the helper itself adds to it."""

from __future__ import annotations

import fcntl
import os
from time import monotonic

from qemu_pr.devices import FAILED, DeviceError
from qemu_pr.protocol import Request
from qemu_pr.scsi.codes import PERSISTENT_RESERVE_OUT
from qemu_pr.scsi.completion import Completion
from qemu_pr.scsi.sense import INVALID_OPERATION_CODE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qemu_pr.devices import Device
    from qemu_pr.helper.events import Events


class CarriedOut:
    """A command that is finished, with all that may be told of it.

    Attributes:
        client: The process that sent it.
        user: That process's user ID.
        fd: The descriptor that came with it, still open.
        request: The request.
        completion: What it came to.
        seconds: How long it took.
    """

    __slots__ = ("client", "completion", "fd", "request", "seconds", "user")

    def __init__(
        self,
        client: int,
        user: int,
        fd: int,
        request: Request,
        completion: Completion,
        seconds: float,
    ) -> None:
        self.client = client
        self.user = user
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
    device: Device,
    fd: int,
    cdb: bytes,
    data_out: bytes,
    client: int,
    user: int,
    events: Events,
) -> Completion:
    """Carry out a request; whatever goes wrong becomes sense data.

    Args:
        device: Where to.
        fd: The descriptor that came with the request; the caller closes it.
        cdb: 16 bytes, as the client sent them.
        data_out: The parameter list, or nothing.
        client: The process that sent it, for the log.
        user: That process's user ID.
        events: Where to report what happens.
    """
    is_heard = "pr_helper_reply" in events.heard
    began = monotonic() if is_heard else 0.0
    if "pr_helper_request" in events.heard:
        events("pr_helper_request", client, cdb.hex(), len(data_out))
    try:
        if cdb[0] == PERSISTENT_RESERVE_OUT and _is_read_only(fd):
            completion = Completion.check_condition(INVALID_OPERATION_CODE)
        else:
            completion = device.execute(fd, cdb, data_out)
    except DeviceError as error:
        events("pr_helper_command_fail", client, path_of(fd), error)
        completion = error.completion
    except Exception as error:  # a defect in one device must not stop the guests of the others
        events("pr_helper_device_fail", client, repr(error))
        completion = FAILED
    if is_heard:
        seconds = monotonic() - began
        request = Request(cdb, data_out)
        events("pr_helper_reply", CarriedOut(client, user, fd, request, completion, seconds))
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
