"""``qemu-pr doctor``: examine this host, and say what to do."""

import argparse
import json
import os
import sys

from qemu_pr.cli.directory import directory
from qemu_pr.cli.progress import progress
from qemu_pr.cli.status.text import printable
from qemu_pr.doctor.check import Check, Outcome, Result
from qemu_pr.doctor.checks import examine
from qemu_pr.doctor.host import Host
from qemu_pr.host.paths import THIS_ROOT

EXIT_STATUS = {Outcome.OK: 0, Outcome.WARNING: 1, Outcome.FAILURE: 2, Outcome.UNKNOWN: 3}
"""As plug-ins of monitoring systems have it."""

_WORST_LAST = (Outcome.OK, Outcome.UNKNOWN, Outcome.WARNING, Outcome.FAILURE)

_DESCRIPTION = """\
Examine this host, and say what keeps persistent reservations from working, and what to do about it.

It looks at the helper, the guests that run, multipath and libvirt, and at each DISK. Without
--socket it looks for a helper on each socket that a running QEMU names, or else on the default one.
Run it as root: others may not know everything.

It changes nothing. It connects to the helper and goes away. Disks are sent PERSISTENT RESERVE IN,
and only those that are named.
"""

_EPILOG = """\
Example:

    qemu-pr doctor /dev/sdb

Each line is ok, warning, failure, or unknown for what could not be looked at; then the check, what
it is about, what was found, and what to do. A check that there is nothing for has no line. The
checks are listed in qemu-pr(1).

With --root it does not ask the programs and libraries of this system, as they are not that host's:
what multipathd runs with, which release multipath-tools has, whether libmpathpersist is there.

A disk tells a host once that it lost a registration or a reservation. If a DISK has that to tell,
the line says so: no guest will hear of it any more.

With --json the output is an array with one object for each line: check, outcome, subject, what, and
advice, which may be empty.

Exit status, as monitoring systems take it: 0 if all is well, 1 if there are warnings, 2 if there
are failures, 3 if there are none of these and something could not be looked at. It is also 1 if the
options are wrong.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Tell a parser what the subcommand does, and its options."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.add_argument(
        "disks", metavar="DISK", nargs="*", help="a disk to examine: /dev/sdb, /dev/mapper/mpatha"
    )
    parser.add_argument(
        "--socket",
        metavar="PATH",
        help="examine this helper, and the guests that use it (default: those that all guests use)",
    )
    parser.add_argument(
        "--root",
        metavar="DIR",
        type=directory,
        default=THIS_ROOT,
        help="examine the host whose / is this directory, from a rescue system or a container;"
        " DISK and --socket are as that host names them",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Examine the host; each result is printed as soon as it is there.

    Args:
        args: The options.

    Returns:
        The exit status.
    """
    worst = Outcome.OK
    described: list[dict[str, str]] = []
    host = Host.below(args.root, args.disks, args.socket)
    host.guests  # noqa: B018 - asked for before there is a second thread
    with progress() as show:
        for check, result in examine(
            host,
            lambda check: show(f"checking {check.name}"),
        ):
            worst = max(worst, result.outcome, key=_WORST_LAST.index)
            if args.json:
                described.append(_describe(check, result))
            else:
                show("")
                _write(_line(check, result))
                show(f"checking {check.name}")
    if args.json:
        _write(json.dumps(described, indent=2) + "\n")
    return EXIT_STATUS[worst]


def _describe(check: Check, result: Result) -> dict[str, str]:
    return {
        "check": check.name,
        "outcome": result.outcome,
        "subject": result.subject,
        "what": result.what,
        "advice": result.advice,
    }


def _line(check: Check, result: Result) -> str:
    advice = f"; {result.advice}" if result.advice else ""
    found = printable(f"{result.subject}: {result.what}{advice}")
    return f"{result.outcome:8}{check.name}: {found}\n"


def _write(output: str) -> None:
    sys.stdout.buffer.write(os.fsencode(output))
    sys.stdout.buffer.flush()
