"""What ``qemu-pr`` says without a command: which one is for which task."""

import argparse

from qemu_pr import __version__

TASKS = (
    ("see what is missing on this host, and what comes next", "qemu-pr doctor"),
    ("start the helper with systemd", "qemu-pr units --group kvm --output /etc/systemd/system"),
    ("give a disk to a guest of QEMU", "qemu-pr command-line /dev/sdb"),
    ("... of libvirt", "qemu-pr command-line --format libvirt /dev/sdb"),
    ("... of Proxmox VE", "qemu-pr command-line --format proxmox /dev/sdb"),
    ("set up a disk with several paths", "qemu-pr multipath-conf --defaults --key file"),
    ("see who holds a disk", "qemu-pr status /dev/sdb"),
    ("certify a disk before a cluster relies on it", "qemu-pr validate /dev/sdb --peer /dev/sdc"),
    ("write down what this host sees", "qemu-pr report"),
    ("see all hosts at once", "qemu-pr fleet reports/"),
    ("send a reservation command", "qemu-pr persist --in --read-keys /dev/sdb"),
    ("check a command line, a script or a manual", "qemu-pr lint FILE"),
    ("have the shell complete these", "qemu-pr completion bash"),
)
"""Each task, and the command for it with an example's arguments."""


def run(_args: argparse.Namespace) -> int:
    """Print it.

    Returns:
        The exit status.
    """
    width = max(len(task) for task, _ in TASKS)
    print(f"qemu-pr {__version__}: SCSI persistent reservations for QEMU guests\n\nTo\n")
    for task, command in TASKS:
        print(f"  {task:{width}}  {command}")
    print("\nqemu-pr COMMAND --help tells more, and man qemu-pr all of it.")
    return 0
