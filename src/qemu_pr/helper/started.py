"""What a helper tells once it serves: systemd that it does, and an ordinary user that it cannot.

Only the first process loads this.
"""

import os
import socket
from argparse import Namespace

from qemu_pr.helper import privileges
from qemu_pr.helper.events import Events


def tell(settings: Namespace, events: Events) -> None:
    """Tell it.

    Args:
        settings: The option ``simulate``: what needs no privilege.
        events: Where to report that no disk will take commands.
    """
    effective, _ = privileges.capabilities()
    if not settings.simulate and not effective >> privileges.CAP_SYS_RAWIO & 1:
        events("pr_helper_powerless")
    if address := os.environ.get("NOTIFY_SOCKET"):
        _tell_manager(address)


def _tell_manager(address: str) -> None:
    """Send READY=1 to the service manager that asked for it: see sd_notify(3).

    If nobody can be told, systemd ends the helper at its time limit and says so; to end it here
    would only say less.
    """
    if address.startswith("@"):
        address = f"\0{address[1:]}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        try:
            manager.sendto(b"READY=1", address)
        except OSError:
            pass
