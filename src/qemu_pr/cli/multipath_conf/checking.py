"""Check the reservation keys of a multipath.conf."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from qemu_pr.cli.multipath_conf.disks import NamedDisk, resolve
from qemu_pr.cli.progress import progress
from qemu_pr.cli.status.examine import examine
from qemu_pr.cli.status.text import printable
from qemu_pr.client.failures import Failure
from qemu_pr.host.wwids import Devices
from qemu_pr.multipath_conf import this_host
from qemu_pr.multipath_conf.check import Finding, Surroundings, check
from qemu_pr.multipath_conf.configuration import Configuration, File
from qemu_pr.multipath_conf.errors import MultipathConfError
from qemu_pr.multipath_conf.reservation_key import ReservationKey
from qemu_pr.multipath_conf.running import running_configuration

THIS_HOST = this_host.PATH
"""What is checked if no file is named, with all that multipath reads beside it."""

_STANDARD_INPUT = "-"

FINDINGS = 1
UNREADABLE = 2


def run(args: argparse.Namespace) -> int:
    """Check, and print what was found.

    Args:
        args: The options.

    Returns:
        The exit status: 0 if nothing was found, 1 if something was, 2 if a file or disk that was
        asked for could not be read, or a file has an error of syntax.
    """
    host = Devices.below(args.root)
    runs_here = args.root == Path("/")
    try:
        file, names = _file_and_disks(args, host)
        is_this_host = file == THIS_HOST
        configuration = (
            this_host.read(args.root) if is_this_host else Configuration.of([_file(file)])
        )
        others = [Configuration.of([_file(other)]) for other in args.other_host or ()]
        named = [resolve(name, host) for name in names]
    except (MultipathConfError, OSError) as error:
        _complain(_explain(error))
        return UNREADABLE
    maps = host.maps() if is_this_host else []
    nodes = {one.wwid: f"/dev/mapper/{one.name}" for one in maps}
    disks = named or [NamedDisk(node, wwid, host.file(node)) for wwid, node in nodes.items()]
    registered, failures = _ask(disks, args.socket and host.file(args.socket))
    with progress("asking multipathd"):
        running = running_configuration() if is_this_host and runs_here else None
    if is_this_host and runs_here and running is None:
        _complain(
            "warning: multipathd does not tell what it runs with, so that was not compared;"
            " 'systemctl status multipathd' shows whether it runs"
        )
    findings = check(
        configuration,
        Surroundings(
            disks={disk.wwid: disk.device for disk in disks},
            maps=[one.wwid for one in maps],
            registered=registered,
            remembered=_remembered(configuration, args.root) if is_this_host else None,
            running=running,
            others=others,
        ),
    )
    for disk, reason in failures.items():
        _complain(f"{'' if named else 'warning: '}{disk.device}: its keys were not read: {reason}")
    if args.json:
        report = _describe(configuration, disks, registered, findings, running is not None)
        text = json.dumps(report, indent=2) + "\n"
    else:
        text = "".join(f"{printable(str(finding))}\n" for finding in findings)
        text = text or f"{printable(file)}: no findings\n"
    sys.stdout.buffer.write(text.encode(sys.stdout.encoding, "backslashreplace"))
    if any(finding.problem.syntax for finding in findings) or (named and failures):
        return UNREADABLE
    return FINDINGS if findings else 0


def _file_and_disks(args: argparse.Namespace, host: Devices) -> tuple[str, list[str]]:
    """Tell the file from the disks: ``--check /dev/mapper/mpatha`` names a disk and no file."""
    if args.check != _STANDARD_INPUT and Path(host.file(args.check)).is_block_device():
        return THIS_HOST, [args.check, *args.disks]
    return args.check, args.disks


def _file(path: str) -> File:
    """Read a file.

    Raises:
        OSError: It cannot be read.
    """
    if path == _STANDARD_INPUT:
        return File.parse(
            "standard input", sys.stdin.buffer.read().decode(errors="surrogateescape")
        )
    return this_host.read_file(path)


def _explain(error: MultipathConfError | OSError) -> str:
    if isinstance(error, MultipathConfError):
        return str(error)
    text = f"{error.filename or 'file'}: cannot read it: {error.strerror}"
    if not isinstance(error, FileNotFoundError):
        return text
    if error.filename == THIS_HOST:
        return text + "; write one: qemu-pr multipath-conf --defaults"
    return text + "; if it is a DISK, put it in front of --check"


def _ask(
    disks: list[NamedDisk], socket: str | None
) -> tuple[dict[str, list[int]], dict[NamedDisk, str]]:
    """Ask disks for their registered keys.

    Returns:
        The keys by WWID, and why a disk did not tell them.
    """
    registered: dict[str, list[int]] = {}
    failures: dict[NamedDisk, str] = {}
    for disk in disks:
        if disk.path is None:
            continue
        with progress(f"asking {printable(disk.device)}"):
            result = examine(disk.path, socket)
        if isinstance(result, Failure):
            failures[disk] = "; ".join(filter(None, (result.reason, result.advice)))
        else:
            registered[disk.wwid] = [one.key for one in result.registrants]
    return registered, failures


def _remembered(configuration: Configuration, root: Path) -> dict[str, ReservationKey] | None:
    try:
        return this_host.remembered(configuration, root)
    except OSError:
        return None


def _complain(text: str) -> None:
    print(f"qemu-pr: multipath-conf: {printable(text)}", file=sys.stderr)


def _describe(
    configuration: Configuration,
    disks: list[NamedDisk],
    registered: dict[str, list[int]],
    findings: list[Finding],
    multipathd: bool,
) -> dict[str, Any]:
    return {
        "files": [file.path for file in configuration.files],
        "multipathd": multipathd,
        "disks": [
            {
                "device": disk.device,
                "wwid": disk.wwid,
                "reservation_key": _in_force(configuration, disk.wwid),
                "registered": _hex(registered.get(disk.wwid)),
            }
            for disk in disks
        ],
        "findings": [{"file": finding.file, **asdict(finding.problem)} for finding in findings],
    }


def _in_force(configuration: Configuration, wwid: str) -> str | None:
    setting = configuration.setting(wwid)
    return str(setting.key) if setting else None


def _hex(keys: list[int] | None) -> list[str] | None:
    return None if keys is None else [f"{key:#x}" for key in keys]
