"""Telling systemd that the helper serves, so that `systemctl` can tell a start that failed.

Only the first process does that, and only it loads this: see sd_notify(3).
"""

import os
import socket


def tell_ready() -> None:
    """Send READY=1 to the service manager that asked for it.

    If nobody can be told, systemd ends the helper at its time limit and says so; to end it here
    would only say less.
    """
    address = os.environ["NOTIFY_SOCKET"]
    if address.startswith("@"):
        address = f"\0{address[1:]}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        try:
            manager.sendto(b"READY=1", address)
        except OSError:
            pass
