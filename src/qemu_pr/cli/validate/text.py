"""A certificate as a person reads it: a line a check while it runs, then the summary."""

import argparse
import sys
from collections import Counter

from qemu_pr.cli.validate.opening import Opened
from qemu_pr.cli.validate.report import Report
from qemu_pr.validate.check import Outcome, Result
from qemu_pr.validate.examination import NO_PEER


def question(opened: Opened, args: argparse.Namespace) -> str:
    """Ask whether to begin.

    Args:
        opened: The disk.
        args: The options.
    """
    names = " and ".join(dict.fromkeys(way.name for way in opened.ways.values()))
    does = "registers with it, reserves it"
    if args.write_test:
        does += ", writes its first block back"
    if not args.no_reset:
        does += ", resets it once"
    return f"{names}: this {does}, and leaves it as it was. Does nobody use the disk?"


def show(result: Result) -> None:
    """Print what came of a check; those that need a PEER which is not there, `summarize` tells."""
    if result.what == NO_PEER:
        return
    what = result.what if result.outcome is not Outcome.OK else result.check.what
    _print(f"{result.outcome:9} {result.check.name}: {what}")
    for note in result.notes:
        _print(f"{'':9} {result.check.name}: {note}")


def summarize(report: Report) -> None:
    """Print how many checks ended how, and the verdicts."""
    alone = [result.check.name for result in report.results if result.what == NO_PEER]
    if alone:
        _print(f"{Outcome.LEFT_OUT:9} {', '.join(alone)}: {NO_PEER}; see --peer")
    counts = Counter(result.outcome for result in report.results)
    told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
    _print(f"\n{disk_line(report)}\n{len(report.results)} checks: {told}")
    if report.deviating:
        _print(f"K1, K2, ... are the keys {report.keys[1]:#x}, {report.keys[2]:#x}, ...")
    for verdict in report.verdicts:
        _print(f"{verdict.profile.name}: {verdict}")


def disk_line(report: Report) -> str:
    """Say what the disk is."""
    one = report.opened.identity
    words = " ".join(filter(None, (one.vendor, one.product, one.revision)))
    if report.opened.is_simulated:
        words = "a simulated disk"
    name = f", {one.name}" if one.name else ""
    return f"{report.opened.disk}: {words or 'a disk that does not say what it is'}{name}"


def _print(line: str) -> None:
    """Print at once, without what a terminal would obey: a disk's words are a stranger's."""
    safe = "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode()
        for char in line
    )
    sys.stdout.buffer.write(f"{safe}\n".encode(sys.stdout.encoding, "backslashreplace"))
    sys.stdout.buffer.flush()
