"""``qemu-pr multipath-conf``: the reservation keys of multipath.conf, printed and checked."""

import argparse
from collections.abc import Callable
from pathlib import Path

from qemu_pr.cli.directory import directory
from qemu_pr.cli.multipath_conf import checking, printing

_DESCRIPTION = """\
Print the reservation_key entry of multipath.conf for multipath maps, or check an existing
multipath.conf with --check. multipathd registers paths that appear or come back only for maps that
have a reservation_key. It changes no file and no reservation.
"""

_EPILOG = """\
Examples, to print lines for /etc/multipath.conf and to check those that are there:

    qemu-pr multipath-conf --defaults --key file
    qemu-pr multipath-conf --check

DISK is a map (/dev/mapper/mpatha), a path of one (/dev/sdb), or a WWID as "multipath -ll" shows it.
WWID=PATH names both, for a device whose WWID cannot be told, as in a container. Names without /dev
will do. The WWID of a map is that in its device-mapper UUID; of another disk, what udev has as
ID_SERIAL, which is what multipath takes by default.

mpathpersist of multipath-tools before 0.10.0, as in Debian 12, does not find a key in multipaths:
use --defaults there.

Keys are hexadecimal, with 0x or without, as multipath and sg_persist read them. With file,
multipathd remembers the key that is registered through libmpathpersist: that suits guests, which
choose their keys themselves. A fixed key suits a host that always registers the same one; then
libmpathpersist refuses all others.

With --host, the key is 0x71656d757072 (the letters "qemupr") and the number in four hexadecimal
digits; or of a name, in lower case, the first 16 hexadecimal digits of what "printf %s NAME |
sha256sum" prints.

--check without FILE reads /etc/multipath.conf and /etc/multipath/conf.d/*.conf, compares them with
what multipathd runs with, and looks at every map of this host. With --root these are the files and
maps of another host, whose multipathd is not asked. With FILE it reads that file only
("-" is standard input), and looks at no disk but those named. It asks disks for their registered
keys, as "qemu-pr status" does.

Findings go to standard output, a line each: FILE:LINE: what: why; what to do.

With --json, printing gives an object of section ("defaults" or "multipaths"), reservation_key, and
multipaths (an array of device, which is DISK, wwid and alias). --check gives an object of files (an
array of their names), multipathd (whether it told what it runs with), disks (an array of device,
wwid, reservation_key, which is that in force, and registered, the keys of the disk; null if it was
not asked or did not answer) and findings (an array of file, line, what, why, advice, and syntax,
which is true where multipath reads another thing than is written, or nothing).

Exit status: 0 if it printed, or found nothing; 1 if --check found something, or the options are
wrong, or a WWID cannot be told; 2 if --check could not read a file or ask a disk that was named, or
found an error of syntax.
"""

_PRINTING = ("key", "host", "aptpl", "defaults", "alias")
_CHECKING = ("other_host", "socket")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Tell a parser what the subcommand does, and its options."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.add_argument("disks", metavar="DISK", nargs="*", help="a map, a path of one, or a WWID")
    parser.add_argument(
        "--root",
        metavar="DIR",
        type=directory,
        default=Path("/"),
        help="the host is the one whose / is this directory, seen from a rescue system or a"
        " container; DISK and --socket are as that host names them",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")

    printing_group = parser.add_argument_group("what is printed")
    keys = printing_group.add_mutually_exclusive_group()
    keys.add_argument(
        "--key",
        metavar="KEY",
        help="the reservation key in hexadecimal, or file (default: file)",
    )
    keys.add_argument(
        "--host",
        metavar="NAME|NUMBER",
        help="derive the key from the host's name or number (0 to 65535), which must be another on "
        "every host",
    )
    printing_group.add_argument(
        "--aptpl",
        action="store_true",
        help="the key is registered with APTPL, so that it persists through power loss of the disk",
    )
    printing_group.add_argument(
        "--defaults", action="store_true", help="print an entry of defaults, which is for all maps"
    )
    printing_group.add_argument(
        "--alias", metavar="NAME", help="give the map this name too; for one DISK"
    )

    checking_group = parser.add_argument_group("what is checked")
    checking_group.add_argument(
        "--check",
        metavar="FILE",
        nargs="?",
        const=checking.THIS_HOST,
        help="check a multipath.conf (default: this host's)",
    )
    checking_group.add_argument(
        "--other-host",
        metavar="FILE",
        action="append",
        help="a multipath.conf of another host, which must have other keys; may be repeated",
    )
    checking_group.add_argument(
        "--socket",
        metavar="PATH",
        help="ask disks through the helper that listens on this socket (default: directly, which "
        "takes root)",
    )
    parser.set_defaults(run=lambda args: run(args, parser.error))


def run(args: argparse.Namespace, usage_error: Callable[[str], object]) -> int:
    """Carry the subcommand out.

    Args:
        args: The options.
        usage_error: What ends the program for options that do not go together.

    Returns:
        The exit status.
    """
    check = args.check is not None
    for name in _PRINTING if check else _CHECKING:
        if getattr(args, name):
            option = "--" + name.replace("_", "-")
            usage_error(f"{option} {'does not go with' if check else 'needs'} --check")
    if check:
        return checking.run(args)
    if args.defaults and (args.disks or args.alias):
        usage_error("--defaults is for all maps: leave out DISK and --alias")
    if not args.defaults and not args.disks:
        usage_error("name a DISK, or print an entry for all maps with --defaults")
    return printing.run(args)
