"""``qemu-pr lint``: say what keeps reservations from working in QEMU command lines."""

import argparse
import json
import os
import sys
from typing import Any

from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.host.block_devices import OF_NO_HOST, OF_THIS_HOST
from qemu_pr.lint.check import Finding, Report, check
from qemu_pr.lint.faults import FAULTS

UNREADABLE = 2

_FAULTS = "\n".join(f"  {fault.name:24}{fault.remedy}" for fault in FAULTS)

_DESCRIPTION = """\
Say what keeps persistent reservations from working in QEMU command lines, why, and what is right.

FILE may be a command line for a shell, with or without backslashes; a script that keeps options in
variables and arrays; an environment file or unit of systemd; a manual in reStructuredText or
Markdown; a list of words in JSON, YAML, Python, HCL or Nix, or /proc/PID/cmdline; a log of libvirt,
or a domain's XML, its qemu:commandline included; a configuration file of Proxmox VE, or a script
with qm set --args. Command lines that have nothing to do with reservations are passed over: those
that name no pr-manager and pass no disk through with scsi-block. So are comments.
"""

_EPILOG = f"""\
Example:

    qemu-pr lint start-guest.sh

Each fault is one line, with the file and the line. The corrected command line follows, as a text of
the same kind. What only you can know is not corrected: which disk is meant, for example.

What is looked for, and what is to be done about it:

{_FAULTS}

What would be a fault if the text had no more than was read is a hint: in options without a program,
a disk that no -device has, for example. A text that speaks of pr-manager, and was not read as a
command line, gets a hint, too. Hints leave the exit status as it is.

Each correction is read again before it is printed. What stands for something else is left alone:
<x>, {{{{ x }}}}, ${{x}}, @x@, %i.

A text is judged by what it says. With --this-host its disks are looked for here as well: a disk is
known to be one path of a multipath map only on the host that has it. No disk is opened.

With --json the output is an array with one object for each command line that has to do with
reservations: file; line; faults and hints (arrays of name, line, what, why, remedy); corrected
(null if nothing is to be corrected, or nothing can be); left (the names of the faults that are
not).

Exit status: 0 if there are no faults, 1 if there are some, 2 if a file cannot be read.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Tell a parser what the subcommand does, and its options."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.add_argument(
        "files", metavar="FILE", nargs="*", default=["-"], help="what to read; - is standard input"
    )
    parser.add_argument(
        "--this-host",
        action="store_true",
        help="the disks are those of this host: look at what its kernel knows of them",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check the files; one that cannot be read does not hide the others.

    Args:
        args: What the parser that `add_parser` made has read.

    Returns:
        The exit status.
    """
    devices = OF_THIS_HOST if args.this_host else OF_NO_HOST
    status = 0
    described: list[dict[str, Any]] = []
    for file in args.files:
        try:
            reports = check(_read(file), devices)
        except (OSError, CommandLineError) as error:
            why = getattr(error, "strerror", None) or error
            print(f"qemu-pr: lint: {file}: {why}", file=sys.stderr)
            status = UNREADABLE
            continue
        if any(report.findings for report in reports):
            status = status or 1
        if args.json:
            described += [_describe(file, report) for report in reports]
        else:
            _write(_text(file, reports))
    if args.json:
        _write(json.dumps(described, indent=2) + "\n")
    return status


def _read(file: str) -> str:
    if file == "-":
        return os.fsdecode(sys.stdin.buffer.read())
    with open(file, "rb") as opened:
        return os.fsdecode(opened.read())


def _text(file: str, reports: list[Report]) -> str:
    shown = "standard input" if file == "-" else file
    lines = []
    for report in reports:
        for word, kind in (("", report.findings), ("hint: ", report.hints)):
            for one in kind:
                place = f"{shown}:{one.place.line}: {word}{one.fault.name}: {one.place.what}"
                lines.append(f"{place}: {one.fault.why}; {one.fault.remedy}")
        if report.corrected:
            part = f" (but for {', '.join(report.left)})" if report.left else ""
            lines += ["", f"{shown}:{report.line}: corrected{part}:", "", report.corrected, ""]
    read = sum(report.is_read for report in reports)
    faults = sum(len(report.findings) for report in reports)
    hints = sum(len(report.hints) for report in reports)
    lines.append(
        f"{shown}: {_count(read, 'command line')} with a reservation manager,"
        f" {_count(faults, 'fault')}" + (f", {_count(hints, 'hint')}" if hints else "")
    )
    return "\n".join(lines) + "\n"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _describe(file: str, report: Report) -> dict[str, Any]:
    return {
        "file": file,
        "line": report.line,
        "faults": [_finding(one) for one in report.findings],
        "hints": [_finding(one) for one in report.hints],
        "corrected": report.corrected or None,
        "left": list(report.left),
    }


def _finding(one: Finding) -> dict[str, Any]:
    return {
        "name": one.fault.name,
        "line": one.place.line,
        "what": one.place.what,
        "why": one.fault.why,
        "remedy": one.fault.remedy,
    }


def _write(output: str) -> None:
    sys.stdout.buffer.write(os.fsencode(output))
    sys.stdout.buffer.flush()
