"""``qemu-pr command-line``: print the options that wire disks to the helper."""

import argparse
import os
import re
import sys
from collections.abc import Iterator

from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.formats import DEFAULT_PROGRAM, FORMATS, shell_text
from qemu_pr.command_line.model import DEVICES, ReservedDisks
from qemu_pr.command_line.syntaxes import DEFAULT_SYNTAX, SYNTAXES

_DESCRIPTION = """\
Print the QEMU command line that passes disks to a virtual machine, with their persistent
reservations going through a helper: a virtio-scsi controller, the helper, and for each disk a block
node or drive and a SCSI passthrough device. Add to it what else the virtual machine needs.

With --format, print the same for libvirt, for the monitor of a running QEMU, or for Proxmox VE.
"""

_EPILOG = """\
Example, for a guest of libvirt:

    qemu-pr command-line --format libvirt /dev/disk/by-id/wwn-0x6001405000000001

Every disk path arrives in QEMU as given, whatever its bytes: commas are doubled where QEMU wants
it, and words are quoted for the shell where it needs it. What cannot arrive is refused: with
--syntax json or --format qmp, paths that are not UTF-8 text; with --format libvirt, besides, paths
with characters that XML does not have; with --format proxmox, paths with a line end.

The formats are:

  shell    text to paste into a POSIX shell
  argv     the argument vector as one JSON array
  libvirt  elements for <devices> of a domain (virsh edit): a controller, which may be left out if
           the domain has one with model='virtio-scsi', and the disks
  qmp      commands to paste into the QMP monitor of a running QEMU; --undo prints those that take
           the disks away again. The machine type q35 takes no new controller while it runs: name
           the bus of one that it has with --bus
  proxmox  a line for /etc/pve/qemu-server/VMID.conf of Proxmox VE. It turns QEMU's file locks off,
           so that several guests may open the disks

One disk has the node name or drive id hd; several have hd0, hd1 and so on.

A disk that is a partition, or an NVMe disk, is printed with a warning: neither has persistent
reservations of SCSI. With --this-host there is one of a disk that is one path of a multipath map.

scsi-block takes block devices (/dev/sdb, /dev/mapper/mpatha) and refuses /dev/sgN. scsi-generic
takes SCSI generic devices (/dev/sgN) only; "lsscsi -g" names each disk's.

With --format argv, a byte that is not UTF-8 is one of the surrogates U+DC80 to U+DCFF, which Python
reads back as that byte; other readers of JSON may not.

Exit status: 0 if the command line was printed, 1 if there is none for these disks and options.
"""

# What lint finds of disks that can be printed, and that QEMU or the disk refuses later.
_OF_DISKS = frozenset({"partition", "not-scsi", "one-path"})

# Names of which lint has nothing to say: most of all, for which it need not be loaded.
_WHOLE_DISK = re.compile(r"/dev/(sd[a-z]+|sg\d+|dm-\d+|mapper/mpath[a-z]+)")

_DEFAULTS = ReservedDisks(("/dev/sdb",))
_SWITCH = {"on": True, "off": False}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Tell a parser what the subcommand does, and its options."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.add_argument(
        "disks",
        metavar="DISK",
        nargs="+",
        help="path of a disk that the virtual machine reserves",
    )
    parser.add_argument(
        "--syntax",
        choices=SYNTAXES,
        help="how QEMU is told: with -blockdev, with -drive, or with -blockdev and everything as "
        f"JSON, for QEMU 6.2 and later (default: {DEFAULT_SYNTAX})",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="shell",
        help="what is printed: see below (default: %(default)s)",
    )
    parser.add_argument(
        "--json",
        dest="format",
        action="store_const",
        const="argv",
        help="the same as --format argv",
    )
    parser.add_argument(
        "--socket",
        metavar="PATH",
        default=_DEFAULTS.socket,
        help="absolute path of the helper's socket, as given to qemu-pr-helper -k "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--helper-id",
        metavar="ID",
        default=_DEFAULTS.helper_id,
        help="id of the pr-manager-helper object (default: %(default)s)",
    )
    parser.add_argument(
        "--device",
        choices=DEVICES,
        default=_DEFAULTS.device,
        help="the SCSI passthrough device (default: %(default)s)",
    )
    parser.add_argument(
        "--program",
        metavar="NAME",
        help=f"name or path of QEMU (default: {DEFAULT_PROGRAM})",
    )
    parser.add_argument(
        "--migrate-pr",
        choices=_SWITCH,
        help="whether live migration moves the reservations; scsi-block of QEMU 11.0 and later "
        "only (default: say nothing, which leaves it to the machine type)",
    )
    parser.add_argument(
        "--name",
        default=_DEFAULTS.name,
        help="what QEMU calls the disks; several have a number behind it (default: %(default)s)",
    )
    parser.add_argument(
        "--bus",
        help="put the disks on this bus of a SCSI controller that the virtual machine has, such as "
        "scsi0.0 (default: add a controller)",
    )
    parser.add_argument(
        "--managed",
        action="store_true",
        help="let libvirt start a helper for this virtual machine; --format libvirt only",
    )
    parser.add_argument(
        "--undo",
        action="store_true",
        help="print what takes the disks away again; --format qmp only",
    )
    parser.add_argument(
        "--this-host",
        action="store_true",
        help="the disks are those of this host: warn of one that is one path of a multipath map",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the command line for the options given.

    Args:
        args: What the parser that `add_parser` made has read.

    Returns:
        The exit status: 0, or 1 after one line on stderr that says what is wrong.
    """
    try:
        disks = ReservedDisks(
            disks=tuple(args.disks),
            socket=args.socket,
            helper_id=args.helper_id,
            device=args.device,
            migrate_pr=None if args.migrate_pr is None else _SWITCH[args.migrate_pr],
            managed=args.managed,
            name=args.name,
            bus=args.bus,
        )
        text = _render(disks, args)
    except CommandLineError as error:
        print(f"qemu-pr: {error}", file=sys.stderr)
        return 1
    for doubt in _doubts(disks, this_host=args.this_host):
        print(f"qemu-pr: warning: {doubt}", file=sys.stderr)
    # As bytes: a path goes out as it came in, even if it is no text in this locale.
    sys.stdout.buffer.write(os.fsencode(text + "\n"))
    sys.stdout.flush()
    return 0


def _render(disks: ReservedDisks, args: argparse.Namespace) -> str:
    chosen = FORMATS[args.format]
    given = {
        choice: value
        for choice in ("syntax", "program")
        if (value := getattr(args, choice)) is not None
    }
    for choice in given.keys() - chosen.choices:
        raise CommandLineError(
            f"--{choice}", f"there is no choice with --format {args.format}", "leave it out"
        )
    if not args.undo:
        return chosen.render(disks, **given)
    if chosen.undo is None:
        raise CommandLineError(
            "--undo", f"nothing is done with --format {args.format}", "use --format qmp"
        )
    return chosen.undo(disks)


def _doubts(disks: ReservedDisks, *, this_host: bool) -> Iterator[str]:
    device = DEVICES[disks.device]
    for disk in disks.disks:
        if not disk.startswith("/"):
            yield (
                f"disk {disk!r}: a relative path, which QEMU looks up in the directory that it is"
                f" started in; write the whole path, from the root /"
            )
        if device.unwanted.fullmatch(disk):
            yield (
                f"disk {disk!r}: QEMU will refuse it for {disks.device} "
                f"({device.complaint}); use {device.takes}"
            )
    if not this_host and all(map(_WHOLE_DISK.fullmatch, disks.disks)):
        return
    from qemu_pr.host.block_devices import OF_NO_HOST, OF_THIS_HOST
    from qemu_pr.lint.check import check

    text = shell_text(disks.but(managed=False))
    for report in check(text, OF_THIS_HOST if this_host else OF_NO_HOST):
        for one in report.findings:
            if one.fault.name in _OF_DISKS:
                path = one.place.what.partition(": ")[2]
                yield f"disk {path}: {one.fault.why}; {one.fault.remedy}"
