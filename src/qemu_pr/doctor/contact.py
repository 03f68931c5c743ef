"""Who answers on a helper's socket: connect, shake hands, and go away."""

import errno
import os
import socket
import stat
import struct
from dataclasses import dataclass

from qemu_pr.protocol import HANDSHAKE

PATIENCE = 3.0  # seconds; a helper greets at once

_CREDENTIALS = struct.Struct("3i")  # process, user and group ID


@dataclass(frozen=True, slots=True)
class Contact:
    """What came of an attempt to talk to a helper.

    Attributes:
        error: Why nobody answered like a helper; empty if somebody did.
        number: The system's error number; 0 if it is not the system that refused.
        pid: The process that made the socket listen, which may be systemd; 0 if it is not known.
    """

    error: str = ""
    number: int = 0
    pid: int = 0


def contact(path: str) -> Contact:
    """Connect, and tell what came of it.

    Args:
        path: The socket.
    """
    pid = 0
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(path)
            credentials = connection.getsockopt(
                socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size
            )
            pid = _CREDENTIALS.unpack(credentials)[0]
            greeting = connection.recv(len(HANDSHAKE), socket.MSG_WAITALL)
            if len(greeting) < len(HANDSHAKE):
                return Contact("who listens there closes the connection", pid=pid)
            connection.sendall(HANDSHAKE)
            return Contact(pid=pid)
    except (TimeoutError, BlockingIOError):
        return Contact(f"who listens there does not greet within {PATIENCE:g} s", pid=pid)
    except OSError as error:
        if error.errno == errno.ECONNREFUSED and not stat.S_ISSOCK(os.stat(path).st_mode):
            return Contact("it is no socket")
        return Contact(error.strerror or str(error), error.errno or 0, pid)
