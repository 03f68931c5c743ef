"""``qemu-pr command-line``: print the options that wire disks to the helper."""

import argparse
import os
import sys
from collections.abc import Iterator

from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.formats import DEFAULT_PROGRAM, FORMATS
from qemu_pr.command_line.model import DEVICES, ReservedDisks
from qemu_pr.command_line.syntaxes import DEFAULT_SYNTAX, SYNTAXES

_DESCRIPTION = """\
Print the QEMU command line that passes disks to a virtual machine, with their persistent
reservations going through a helper: a virtio-scsi controller, the helper, and for each disk a block
node or drive and a SCSI passthrough device. Add to it what else the virtual machine needs.
"""

_EPILOG = """\
Every disk path arrives in QEMU as given, whatever its bytes: commas are doubled where QEMU wants
it, and words are quoted for the shell where it needs it. What cannot arrive is refused: with
--syntax json, paths that are not UTF-8 text.

One disk has the node name or drive id hd; several have hd0, hd1 and so on.

scsi-block takes block devices (/dev/sdb, /dev/mapper/mpatha) and refuses /dev/sgN. scsi-generic
takes SCSI generic devices (/dev/sgN) only; "lsscsi -g" names each disk's.

With --format argv, a byte that is not UTF-8 is one of the surrogates U+DC80 to U+DCFF, which Python
reads back as that byte; other readers of JSON may not.

Exit status: 0 if the command line was printed, 1 if there is none for these disks and options.
"""

_DEFAULTS = ReservedDisks(("/dev/sdb",))
_SWITCH = {"on": True, "off": False}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand.

    Args:
        subparsers: Where `qemu-pr` keeps its subcommands.
    """
    parser = subparsers.add_parser(
        "command-line",
        help="print the QEMU command line that wires disks to the helper",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument(
        "disks",
        metavar="DISK",
        nargs="+",
        help="path of a disk that the virtual machine reserves",
    )
    parser.add_argument(
        "--syntax",
        choices=SYNTAXES,
        default=DEFAULT_SYNTAX,
        help="how QEMU is told: with -blockdev, with -drive, or with -blockdev and everything as "
        "JSON, for QEMU 6.2 and later (default: %(default)s)",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="shell",
        help="what is printed: text to paste into a POSIX shell, or the argument vector as one "
        "JSON array (default: %(default)s)",
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
        default=DEFAULT_PROGRAM,
        help="name or path of QEMU (default: %(default)s)",
    )
    parser.add_argument(
        "--migrate-pr",
        choices=_SWITCH,
        help="whether live migration moves the reservations; scsi-block of QEMU 11.0 and later "
        "only (default: say nothing, which leaves it to the machine type)",
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
        )
        text = FORMATS[args.format](disks, args.syntax, args.program)
    except CommandLineError as error:
        print(f"qemu-pr: {error}", file=sys.stderr)
        return 1
    for doubt in _doubts(disks):
        print(f"qemu-pr: warning: {doubt}", file=sys.stderr)
    # As bytes: a path goes out as it came in, even if it is no text in this locale.
    sys.stdout.buffer.write(os.fsencode(text + "\n"))
    sys.stdout.flush()
    return 0


def _doubts(disks: ReservedDisks) -> Iterator[str]:
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
