"""``qemu-pr validate``: certify that a disk keeps persistent reservations, through two nexuses."""

import argparse
import contextlib
import json
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from qemu_pr.cli.progress import Progress, progress
from qemu_pr.cli.validate import as_html, as_json, leftovers, options, text
from qemu_pr.cli.validate.interruption import Interrupted, Interruption, ended_by_ctrl_c
from qemu_pr.cli.validate.opening import Opened, open_ways
from qemu_pr.cli.validate.options import OptionsError
from qemu_pr.cli.validate.report import Report
from qemu_pr.devices.simulated import SimulationError
from qemu_pr.manager import ConnectError
from qemu_pr.validate import profiles
from qemu_pr.validate.check import Check
from qemu_pr.validate.examination import Choice, Examination, OthersError
from qemu_pr.validate.keys import Keys, Writing
from qemu_pr.validate.preconditions import RefusedError
from qemu_pr.validate.ways import LostError

CONFORMS, DEVIATES, COULD_NOT_LOOK = 0, 1, 2


def add_options(parser: argparse.ArgumentParser) -> None:
    """Tell a parser what the subcommand does, and its options."""
    options.add(parser)
    parser.set_defaults(run=run, error_status=COULD_NOT_LOOK)


def run(args: argparse.Namespace) -> int:
    """Carry the subcommand out.

    Args:
        args: The options.

    Returns:
        The exit status: 0 the disk conforms, 1 it deviates, 2 it could not be looked at.
    """
    try:
        options.check(args)
        with ended_by_ctrl_c(), contextlib.ExitStack() as stack:
            opened = open_ways(args, stack)
            leftovers.remove(opened, leftovers.Consent(args.clean, _confirm_by(args.yes)))
            if args.clean:
                return CONFORMS
            if not _confirm_by(args.yes)(text.question(opened, args)):
                return COULD_NOT_LOOK
            if args.report:
                _check_writable(args.report, args.disk)
            return _examine(args, opened)
    except ConnectError as error:
        return _complain(f"{error}; start qemu-pr-helper, or see --socket and --peer-socket")
    except (OptionsError, RefusedError, LostError, OthersError, SimulationError) as error:
        return _complain(str(error))


def _examine(args: argparse.Namespace, opened: Opened) -> int:
    report = Report(opened, args.profile, datetime.now(UTC), Keys.drawn())
    interruption = Interruption()
    examination = Examination(
        opened.ways,
        report.keys,
        Choice(frozenset(args.skip), args.write_test, not args.no_reset),
        interruption.check,
        opened.paths,
    )
    try:
        with _writing(report.keys, opened.name) as writing, interruption, progress() as doing:
            try:
                examination.prepare()
                checks = profiles.checks_of(args.profile)
                for result in examination.run(_announced(checks, doing)):
                    doing("")
                    report.results.append(result)
                    if not args.json:
                        text.show(result)
            finally:
                doing("taking the keys away")
                _leave(examination, writing)
    except Interrupted as error:
        print("qemu-pr: validate: stopped; none of its keys is left", file=sys.stderr)
        return 128 + error.number
    report.learn(examination)
    if args.json:
        print(json.dumps(as_json.describe(report), indent=2))
    else:
        text.summarize(report)
    if args.report:
        _write(args.report, as_html.render(report))
    return DEVIATES if report.deviating else CONFORMS


def _announced(checks: Iterable[Check], doing: Progress) -> Iterator[Check]:
    checks = tuple(checks)
    for number, one in enumerate(checks, 1):
        doing(f"{number} of {len(checks)}: {one.name}")
        yield one


def _leave(examination: Examination, writing: Writing) -> None:
    """Take the keys away, however the examination ended."""
    try:
        left = examination.clean()
    except LostError as error:
        raise LostError(
            f"{error}. Keys of this run may be left: run qemu-pr validate again, which removes them"
        ) from None
    if left:
        names = ", ".join(map(hex, sorted(left)))
        raise LostError(f"the disk does not let go of the keys {names}: run this again")
    writing.forget()


@contextlib.contextmanager
def _writing(keys: Keys, disk: str) -> Iterator[Writing]:
    try:
        writing = Writing(keys, disk)
    except OSError as error:
        what = f"cannot write down which keys are used: {error.strerror}"
        raise RefusedError(
            str(error.filename), what, "set XDG_STATE_HOME to another folder"
        ) from None
    with contextlib.closing(writing):
        yield writing


def _confirm_by(yes: bool) -> "leftovers.Confirm":
    def confirm(question: str) -> bool:
        if yes:
            return True
        if not sys.stdin.isatty():
            raise OptionsError(f"{question} Nobody is there to be asked; --yes says so")
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    return confirm


def _check_writable(path: str, disk: str) -> None:
    """Try a report's file before a disk is examined for nothing; what it holds stays."""
    is_new = not os.path.exists(path)
    if not is_new and (os.path.samefile(path, disk) or stat.S_ISBLK(os.stat(path).st_mode)):
        raise RefusedError(path, "it is a disk, and no place for the report", "name another")
    with _told_of(path), open(path, "a"):
        if is_new:
            os.unlink(path)


def _write(path: str, page: str) -> None:
    with _told_of(path):
        Path(path).write_text(page, encoding="utf-8")


@contextlib.contextmanager
def _told_of(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RefusedError(
            path, f"cannot write the report: {error.strerror}", "name another"
        ) from None


def _complain(message: str) -> int:
    print(f"qemu-pr: validate: {message}", file=sys.stderr)
    return COULD_NOT_LOOK
