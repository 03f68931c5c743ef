"""``qemu-pr status``: who is registered with disks, who holds them, who may read and write now."""

import argparse
import sys

from qemu_pr.cli.progress import progress
from qemu_pr.cli.status import text
from qemu_pr.cli.status.examine import examine
from qemu_pr.client.failures import Failure
from qemu_pr.reservation_status import ReservationStatus

_DESCRIPTION = """\
Show the persistent reservation of disks: whether there is one, of which type and whose, who is
registered, what the disk can do, and who may read and write now. It changes no reservation.

Without --socket the commands go to the disk directly, which takes root (CAP_SYS_RAWIO). With
--socket a helper sends them; it takes no more than the right to read the disk, and to connect to
the helper.
"""

_EPILOG = """\
Example:

    qemu-pr status /dev/sdb

Each row of the table is one registration, that is one path (I_T nexus) from a port of a host to a
port of the disk. A host with several paths has several rows, and a path of it that has no row
counts as "everyone else". HOST is the TransportID: naa. and a SAS address or Fibre Channel port
name, or an iSCSI name. PORT is the relative target port identifier, or "all" if the registration is
for all target ports. READ and WRITE tell whether reads and writes are carried out now, or end with
RESERVATION CONFLICT. A "?" is what the disk does not tell: without READ FULL STATUS, for one, a
disk tells keys but no hosts.

A disk tells a host once that it lost a registration or a reservation: the host's next command,
whatever program sends it, ends with a unit attention condition. If it is a command of this program,
it prints what the disk told as a note, and sends the command again. Other programs on the host will
not hear of it any more.

With --json the output is an array with one object for each DISK, in the order given, whose names
are always all there. Keys and addresses are strings in hex; what the disk does not tell is null.
The names are device (DISK); error (null, or exit_status, reason, advice, and sense like one of
unit_attentions; all that follows is null then); prgeneration; reservation (null if there is none,
or reservation_key, scope, type, type_name); registrations (an array of initiator, which is the HOST
of the table, reservation_key, all_tg_pt, r_holder, scope, type, type_name,
relative_target_port_identifier, transport_id, read, write); registered (how many registrations
there are; at least so many if complete is false); complete (whether the array has all of them, as a
disk's answer has 8192 bytes at most); others (read and write of everyone else); consistent (whether
the disk's answers fit together); capabilities (null, or rlr_c, crh, sip_c, atp_c, ptpl_c, tmv,
allow_commands, ptpl_a, persistent_reservation_type_mask); unit_attentions (an array of sense_key,
additional_sense_code, additional_sense_code_qualifier, text).

Exit status: 0 if every disk answered, else that of the first disk which did not, as with
qemu-pr persist: 2 not ready, 5 illegal request, 6 unit attention without end, 9 no persistent
reservations, 11 aborted command or no SCSI disk, 15 the disk or the helper's socket cannot be
opened, 24 reservation conflict, 97 the answer makes no sense; 1 if the options are wrong.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Tell a parser what the subcommand does, and its options."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.add_argument(
        "disks", metavar="DISK", nargs="+", help="path of a disk: /dev/sdb, /dev/mapper/mpatha"
    )
    parser.add_argument(
        "--socket",
        metavar="PATH",
        help="ask through the helper that listens on this socket (default: ask the disk directly)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Show the disks; one that fails does not hide the others.

    Args:
        args: The options.

    Returns:
        The exit status: 0, or that of the first disk that failed.
    """
    exit_status = 0
    results: list[tuple[str, ReservationStatus | Failure]] = []
    separator = ""
    for disk in args.disks:
        with progress(f"asking {text.printable(disk)}"):
            result = examine(disk, args.socket)
        if isinstance(result, Failure):
            exit_status = exit_status or result.exit_status
            reason = "; ".join(filter(None, (result.reason, result.advice)))
            print(f"qemu-pr: status: {text.printable(disk)}: {reason}", file=sys.stderr)
        elif not args.json:
            _write(separator + text.render(disk, result))
            separator = "\n"
        results.append((disk, result))
    if args.json:
        import json

        from qemu_pr.cli.status import as_json

        _write(json.dumps([as_json.describe(*one) for one in results], indent=2) + "\n")
    return exit_status


def _write(output: str) -> None:
    """Write at once, in the locale's encoding: each disk is shown as soon as it has answered."""
    sys.stdout.buffer.write(output.encode(sys.stdout.encoding, "backslashreplace"))
    sys.stdout.buffer.flush()
