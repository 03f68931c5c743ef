"""``qemu-pr fleet``: the reports of many hosts as one matrix, and what is wrong across them."""

import argparse
import gc
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

from qemu_pr.cli.status.text import printable
from qemu_pr.fleet import model, page
from qemu_pr.fleet.findings import Finding, findings
from qemu_pr.fleet.matrix import Fleet, Row
from qemu_pr.fleet.reading import Unreadable, read, read_file
from qemu_pr.fleet.words import cell_words, reservation_words

FINDINGS = 1
UNREADABLE = 2

_STANDARD_INPUT = "-"

_DESCRIPTION = """\
Show what the reports of many hosts say together: a matrix of disks and hosts, and what is wrong
across hosts. qemu-pr report writes the reports.

REPORT is a file, a directory (of its files, those that end in .json), or "-" for standard input. A
file may hold several reports, one behind the other. It looks at no disk and at no host.
"""

_EPILOG = """\
Example:

    qemu-pr fleet --html fleet.html reports/

Each row of the matrix is a disk, by its VPD 83 name, and each column a host. A cell says what the
host is to the disk: "holds" or "registered" with how many of its paths are registered, "sees" if
none is, "FENCED" if its guests may not write; then its guests. "-" does not see it, "?" is not
known, "error" means that the disk fails or hangs there. Disks that one host alone sees, and nobody
is registered with or uses, are left out.

A finding is a line: NAME: what it is about: what was found; what to do. The names are listed in
qemu-pr(1).

With --json the output is an object of hosts (an array of host, time, helpers, guests, doctor, which
counts the findings of qemu-pr doctor there by outcome, and not_seen), disks (an array of disk,
reservation, holders, registered, strangers, which are registrations of unknown hosts, and hosts, by
name: device, paths, registered_paths, holds, fenced, guests, keys, and error) and findings (an
array of kind, subject, what, advice, hosts, disk) and unreadable (an array of source and why).

Exit status, for monitoring: 0 if nothing was found, 1 if there are findings, 2 if a report could
not be read; what the others say is shown all the same. It is also 1 if the options are wrong.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Tell a parser what the subcommand does, and its options."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.add_argument(
        "reports", metavar="REPORT", nargs="+", help="a report, a directory of reports, or -"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--html",
        metavar="FILE",
        type=_page,
        help="write a page for browsers as well; it needs nothing else",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Join the reports.

    Args:
        args: The options.

    Returns:
        The exit status.

    Raises:
        OSError: The page cannot be written.
    """
    gc.disable()  # reports have no circles, and to look for some takes a fifth of the time
    try:
        return _join(args)
    finally:
        gc.enable()


def _join(args: argparse.Namespace) -> int:
    given = list(chain.from_iterable(map(_read, args.reports)))
    unreadable = [one for one in given if isinstance(one, Unreadable)]
    for one in unreadable:
        print(printable(f"qemu-pr: fleet: {one.source}: {one.why}"), file=sys.stderr)
    fleet = Fleet(one for one in given if not isinstance(one, Unreadable))
    found = findings(fleet)
    if args.json:
        output = json.dumps(_describe(fleet, found, unreadable), indent=1) + "\n"
    else:
        output = "".join(f"{printable(line)}\n" for line in _lines(fleet, found))
    sys.stdout.buffer.write(output.encode(sys.stdout.encoding, "backslashreplace"))
    sys.stdout.flush()
    if args.html:
        Path(args.html).write_text(page.render(fleet, found, unreadable), "utf-8", "replace")
    if unreadable:
        return UNREADABLE
    return FINDINGS if found else 0


def _page(path: str) -> str:
    """Take the path of the page; --html reports/*.json would replace the first report by it."""
    if path.endswith(".json"):
        raise argparse.ArgumentTypeError(f"{path}: a report has such a name; name a page *.html")
    return path


def _read(path: str) -> Iterator[model.Report | Unreadable]:
    if path == _STANDARD_INPUT:
        return read("standard input", sys.stdin.buffer.read())
    return read_file(path)


def _lines(fleet: Fleet, found: Iterable[Finding]) -> Iterator[str]:
    rows = [row for row in fleet.rows if row.matters]
    hosts = list(fleet.reports)
    if rows:
        table = [("DISK", "RESERVATION", *hosts)]
        table += [
            (
                row.identity,
                reservation_words(row),
                *(cell_words(row, row.cells.get(host)) for host in hosts),
            )
            for row in rows
        ]
        widths = [
            max(len(printable(text)) for text in column) for column in zip(*table, strict=True)
        ]
        for line in table:
            cells = (printable(text).ljust(width) for text, width in zip(line, widths, strict=True))
            yield "  ".join(cells).rstrip()
    for host, report in fleet.reports.items():
        for one in report["not_seen"]:
            yield f"Not seen on {host}: {one['what']}: {one['why']}; {one['advice']}"
    if hosts and not found:
        yield f"No findings on {len(hosts)} host{'' if len(hosts) == 1 else 's'}"
    for finding in found:
        yield f"{finding.kind}: {finding.subject}: {finding.what}; {finding.advice}"


def _describe(
    fleet: Fleet, found: Iterable[Finding], unreadable: Iterable[Unreadable]
) -> dict[str, Any]:
    return {
        "hosts": [
            {
                "host": host,
                "time": report["time"],
                "helpers": report["helpers"],
                "guests": report["guests"],
                "doctor": doctor_counts(report),
                "not_seen": report["not_seen"],
            }
            for host, report in fleet.reports.items()
        ],
        "disks": [_disk(row) for row in fleet.rows],
        "findings": [asdict(one) for one in found],
        "unreadable": [one._asdict() for one in unreadable],
    }


def doctor_counts(report: model.Report) -> dict[str, int]:
    """Count the findings of the doctor by outcome."""
    outcomes = [one["outcome"] for one in report["findings"]]
    return {outcome: outcomes.count(outcome) for outcome in ("failure", "warning", "unknown")}


def _disk(row: Row) -> dict[str, Any]:
    return {
        "disk": row.identity,
        "reservation": row.told["reservation"] if row.told else None,
        "holders": row.holders,
        "registered": len(row.told["registrations"]) if row.told else None,
        "strangers": row.strangers,
        "hosts": {
            host: {
                "device": cell.disk["device"],
                "paths": cell.paths,
                "registered_paths": cell.registered,
                "holds": cell.holds,
                "fenced": cell.fenced,
                "guests": cell.guests,
                "keys": sorted({one["reservation_key"] for one in cell.registrations}),
                "error": cell.disk["error"],
            }
            for host, cell in row.cells.items()
        },
    }
