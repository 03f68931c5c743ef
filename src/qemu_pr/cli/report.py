"""``qemu-pr report``: this host, its disks and who reserves them, as JSON or metrics."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from qemu_pr.cli.directory import directory
from qemu_pr.cli.parser import USAGE_ERROR
from qemu_pr.cli.progress import Progress, progress
from qemu_pr.cli.status.examine import examine
from qemu_pr.cli.status.text import printable
from qemu_pr.client.failures import Failure
from qemu_pr.doctor.host import Host
from qemu_pr.fleet import metrics, model
from qemu_pr.fleet.report import Answer, Question, collect, examined
from qemu_pr.host.asking import LIMIT
from qemu_pr.host.paths import THIS_ROOT
from qemu_pr.reservation_status import ReservationStatus
from qemu_pr.scsi import sense_codes
from qemu_pr.scsi.names import TYPE_NAMES

_DESCRIPTION = """\
Write a report of this host as JSON: its initiator ports, each SCSI disk and multipath map with its
identity, its paths, its registrations and its reservation, the reservation keys of multipath, the
helpers and guests that run, and what qemu-pr doctor found. qemu-pr fleet joins the reports of
several hosts.

Run it as root: others do not see everything, and the report then says what is missing. It changes
nothing: disks are sent PERSISTENT RESERVE IN only. Without DISK they are all SCSI disks and maps.
"""

_EPILOG = f"""\
Example:

    qemu-pr report /dev/mapper/mpatha

A disk that does not answer within {LIMIT:g} seconds is reported as one that hangs, and holds up no
other.

A disk tells a host once that it lost a registration or a reservation. If it tells this program,
unit_attentions has it, and no guest will hear of it any more: the guest's next write will still end
with RESERVATION CONFLICT.

The output has a schema, which is on the page "Watch a fleet" of the manual. With --metrics nothing
is printed: the file has the same for the node exporter of Prometheus, and is never half written.

Exit status: 0 if there is a report, whatever it says; 1 if the options are wrong, or a DISK is not
there, or the file cannot be written.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Tell a parser what the subcommand does, and its options."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.add_argument(
        "disks", metavar="DISK", nargs="*", help="report this disk (default: all disks and maps)"
    )
    parser.add_argument(
        "--socket",
        metavar="PATH",
        help="ask disks through the helper that listens on this socket (default: directly as root,"
        " else through a helper that runs)",
    )
    parser.add_argument(
        "--root",
        metavar="DIR",
        type=directory,
        default=THIS_ROOT,
        help="report the host whose / is this directory, from a container or of a simulated host;"
        " DISK and --socket are as that host names them",
    )
    parser.add_argument(
        "--metrics",
        metavar="FILE",
        help="write metrics of it to this file, whose name is to end in .prom, and print nothing",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Report the host.

    Args:
        args: The options.

    Returns:
        The exit status.
    """
    host = Host.below(args.root, [], args.socket)  # the doctor would ask the disks, too
    host.guests  # noqa: B018 - asked for before there is a second thread
    with progress() as show:
        findings = examined(host, lambda check: show(f"checking {check.name}"))
    try:
        with _asking() as wait:
            report = collect(host, args.disks, findings, ask, wait)
        if args.metrics:
            metrics.write(Path(args.metrics), report)
            return 0
    except OSError as error:
        reason = f"{error.filename2 or error.filename}: {error.strerror}"
        print(f"qemu-pr: report: {printable(reason)}", file=sys.stderr)
        return USAGE_ERROR
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    return 0


@contextmanager
def _asking() -> Iterator[Callable[[int, int], None]]:
    """Show how many disks have answered, without a thread: whoever has one should not fork."""
    shown = Progress()
    shown("asking disks")
    try:
        yield lambda answered, of: shown.update(f"asking disks, {answered} of {of} done")
    finally:
        shown.end()


def ask(question: Question) -> Answer:
    """Ask one disk.

    Args:
        question: The disk, and the way to it.
    """
    result = examine(*question)
    if isinstance(result, Failure):
        error = model.Error(
            exit_status=result.exit_status, reason=result.reason, advice=result.advice
        )
        return Answer(status=None, error=error)
    return Answer(status=_told(result), error=None)


def _told(status: ReservationStatus) -> model.ReportedStatus:
    reservation = status.reservation
    return model.ReportedStatus(
        prgeneration=status.generation,
        reservation=(
            model.Reservation(
                reservation_key=f"{reservation.key:#x}",
                type=reservation.type,
                type_name=TYPE_NAMES[reservation.type],
            )
            if reservation
            else None
        ),
        registrations=[
            model.Registration(
                initiator=str(one.full_status.transport_id) if one.full_status else None,
                relative_target_port_identifier=(
                    one.full_status.relative_target_port_identifier if one.full_status else None
                ),
                all_tg_pt=one.full_status.all_tg_pt if one.full_status else None,
                reservation_key=f"{one.key:#x}",
                r_holder=one.holder,
            )
            for one in status.registrants
        ],
        complete=status.complete,
        others=model.Access(read=status.others.read, write=status.others.write),
        unit_attentions=[
            f"{one} {sense_codes.name_of(one)}".strip() for one in status.unit_attentions
        ],
    )
