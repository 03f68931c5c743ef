"""A live migration of a guest between two QEMUs, and of its reservation.

By itself, where QEMU has migrate-pr (11.0 and later), and by hand as the manual says.
"""

import json
import shlex
import subprocess
from pathlib import Path

from guest import Guest
from in_process import qemu_pr
from lab_helper import Helper
from manual import commands_of_a_migration
from waiting import wait_for

QEMU = "qemu-system-x86_64"
HAS_MIGRATE_PR = (
    "migrate-pr="
    in subprocess.run([QEMU, "-device", "scsi-block,help"], capture_output=True, text=True).stdout
)
BY_HAND = ["--migrate-pr", "off"] if HAS_MIGRATE_PR else []
BY_ITSELF = ["--migrate-pr", "on"]
WAYS = [False, True] if HAS_MIGRATE_PR else [False]
"""For parametrize: whether the reservation migrates by itself."""

WRITE = "dd if=/dev/zero bs=512 count=1 oflag=direct of=/dev/sda"


def command_line(node: str, helper: Helper, *, by_itself: bool) -> str:
    """Give a QEMU command line for a disk, as ``qemu-pr command-line`` prints it."""
    options = BY_ITSELF if by_itself else BY_HAND
    done = qemu_pr("command-line", "--socket", helper.socket, *options, node)
    assert done.status == 0, done.stderr
    return done.stdout.strip()


def migrate(guest: Guest, socket: Path) -> None:
    """Migrate a guest to the QEMU that listens on a socket, and wait until it has left."""
    guest.monitor.send(json.dumps({"execute": "migrate", "arguments": {"uri": f"unix:{socket}"}}))

    def has_left() -> bool:
        status = guest.monitor.execute("query-migrate")
        assert status["status"] not in ("failed", "cancelled"), status
        return bool(status["status"] == "completed")

    wait_for(has_left, "the migration to complete")


def move_by_hand(socket: str, node: str) -> None:
    """Move the reservation with the manual's commands, through the destination's helper."""
    commands = commands_of_a_migration()
    assert len(commands) == 2
    for command in commands:
        command = command.replace("$PWD/destination.sock", socket).replace("disk.img", node)
        done = qemu_pr(*shlex.split(command)[1:])
        assert done.status == 0, done.stderr
