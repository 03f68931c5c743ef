"""Print the reservation_key entry of multipath.conf."""

import argparse
import json
import os
import sys
from typing import Any

from qemu_pr.cli.multipath_conf.disks import NamedDisk, resolve
from qemu_pr.cli.parser import USAGE_ERROR
from qemu_pr.cli.status.text import printable
from qemu_pr.host.wwids import Devices
from qemu_pr.multipath_conf.errors import MultipathConfError
from qemu_pr.multipath_conf.model import Attribute, Section
from qemu_pr.multipath_conf.renderer import render
from qemu_pr.multipath_conf.reservation_key import FILE, ReservationKey, host_key


def run(args: argparse.Namespace) -> int:
    """Print the entry.

    Args:
        args: The options.

    Returns:
        The exit status: 0, or 1 after one line on stderr.
    """
    try:
        key = _key(args)
        disks = _disks(args)
        section = _section(args, key, disks)
        text = render([section])
    except MultipathConfError as error:
        print(f"qemu-pr: multipath-conf: {printable(str(error))}", file=sys.stderr)
        return USAGE_ERROR
    if args.json:
        text = json.dumps(_describe(args, section, key, disks), indent=2) + "\n"
    sys.stdout.buffer.write(os.fsencode(text))
    return 0


def _key(args: argparse.Namespace) -> ReservationKey:
    if args.host is not None:
        return ReservationKey(host_key(args.host), args.aptpl)
    try:
        key = ReservationKey.parse(FILE if args.key is None else args.key)
    except MultipathConfError as error:
        raise MultipathConfError(f"--key {args.key}", error.why, error.advice) from error
    if key.key is None and args.aptpl:
        raise MultipathConfError(
            "--aptpl", "with --key file, multipathd remembers APTPL by itself", "leave it out"
        )
    if key.key == 0:
        raise MultipathConfError("--key 0", "0 means no key", "give another key, or --host NAME")
    return ReservationKey(key.key, key.aptpl or args.aptpl)


def _disks(args: argparse.Namespace) -> list[NamedDisk]:
    """Give one disk for each map, however many of its paths were named."""
    by_wwid: dict[str, NamedDisk] = {}
    for name in args.disks:
        disk = resolve(name, Devices.below(args.root))
        by_wwid.setdefault(disk.wwid, disk)
    if args.alias is None:
        return list(by_wwid.values())
    if len(by_wwid) != 1:
        raise MultipathConfError("--alias", "a name is for one map", "name one DISK")
    if not args.alias.strip() or "/" in args.alias:
        raise MultipathConfError(
            f"--alias {args.alias}", "no map can have this name", "use letters"
        )
    return list(by_wwid.values())


def _section(args: argparse.Namespace, key: ReservationKey, disks: list[NamedDisk]) -> Section:
    reservation_key = Attribute("reservation_key", str(key))
    if args.defaults:
        return Section("defaults", (reservation_key,))
    alias = () if args.alias is None else (Attribute("alias", args.alias),)
    return Section(
        "multipaths",
        tuple(
            Section("multipath", (Attribute("wwid", disk.wwid), *alias, reservation_key))
            for disk in disks
        ),
    )


def _describe(
    args: argparse.Namespace, section: Section, key: ReservationKey, disks: list[NamedDisk]
) -> dict[str, Any]:
    return {
        "section": section.name,
        "reservation_key": str(key),
        "multipaths": [
            {"device": disk.device, "wwid": disk.wwid, "alias": args.alias} for disk in disks
        ],
    }
