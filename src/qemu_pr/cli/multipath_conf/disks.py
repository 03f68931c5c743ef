"""The disks that an operator names: by device, by WWID, or both."""

import sys
from pathlib import Path
from typing import NamedTuple

from qemu_pr.host.wwids import Devices, WwidError
from qemu_pr.multipath_conf import typed_wwids
from qemu_pr.multipath_conf.errors import MultipathConfError


class NamedDisk(NamedTuple):
    """A disk.

    Attributes:
        device: As the operator named it.
        wwid: Its WWID.
        path: Where it can be opened; None if only its WWID is known.
    """

    device: str
    wwid: str
    path: str | None


def resolve(name: str, host: Devices) -> NamedDisk:
    """Find out which disk an operator means.

    Args:
        name: A path, the name of a map or disk in /dev, a WWID, or ``WWID=PATH``.
        host: Where WWIDs are read.

    Raises:
        MultipathConfError: Its WWID cannot be told.
    """
    wwid, equals, path = name.partition("=")
    if equals and "/" not in wwid:
        return NamedDisk(name, _typed(wwid), host.file(path))
    if "/" in name:
        return NamedDisk(name, _wwid(name, host), host.file(name))
    for directory in ("/dev/mapper", "/dev"):
        device = f"{directory}/{name}"
        if Path(host.file(device)).is_block_device():
            return NamedDisk(name, _wwid(device, host), host.file(device))
    wwid = _typed(name)
    found = (host.file(f"/dev/mapper/{one.name}") for one in host.maps() if one.wwid == wwid)
    return NamedDisk(name, wwid, next(found, None))


def _wwid(device: str, host: Devices) -> str:
    try:
        return host.wwid(device)
    except WwidError as error:
        raise MultipathConfError(error.what, error.why, error.advice) from error


def _typed(wwid: str) -> str:
    wwid = typed_wwids.check_typed(wwid)
    for doubt in typed_wwids.doubts(wwid):
        print(f"qemu-pr: multipath-conf: warning: {wwid}: {doubt}", file=sys.stderr)
    return wwid
