"""Does multipath do its share: the library, the daemon, the keys, and a release without faults?"""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

from qemu_pr.devices.mpathpersist import SONAME, why_missing
from qemu_pr.doctor.check import Outcome, Result, failure, ok, unknown, warning
from qemu_pr.doctor.host import Host
from qemu_pr.multipath_conf import this_host
from qemu_pr.multipath_conf.check import Surroundings, check
from qemu_pr.multipath_conf.configuration import Configuration

_PACKAGE = "multipath-tools"
_INSTALL = f"apt-get install {_PACKAGE}, or dnf install device-mapper-multipath"
_WRITE_ONE = f"put what 'qemu-pr multipath-conf --defaults' prints into {this_host.PATH}"
# A distribution may keep a release's number and mend its faults.
_OR_MENDED = "unless your distribution's changelog says that it has fixed this"
_RELEASE = re.compile(r"multipath-tools v(\d+)\.(\d+)\.(\d+)")
_PATIENCE = 10.0  # seconds; multipath prints its release at once


def in_use(host: Host) -> bool:
    """Tell whether there are maps that matter here."""
    return bool(host.maps)


def can_be_asked(host: Host) -> bool:
    """Tell whether multipath-tools are there to be asked: all of them need the library."""
    return library_can_be_found(host) and not why_missing()


def library_can_be_found(host: Host) -> bool:
    """Tell whether it matters, and is the host's own if this process finds it."""
    return in_use(host) and host.is_this_one


def library(_host: Host) -> Iterator[Result]:
    """Look for libmpathpersist."""
    if reason := why_missing():
        yield warning(SONAME, f"only our helper registers all paths without it: {reason}", _INSTALL)
    else:
        yield ok(SONAME, "it is there")


def daemon(host: Host) -> Iterator[Result]:
    """Look whether multipathd answers."""
    if host.multipathd:
        yield ok("multipathd", "it answers")
        return
    what = "it does not answer, so that no path which appears or comes back is registered"
    yield failure("multipathd", what, "start it: systemctl start multipathd")


def reservation_key(host: Host) -> Iterator[Result]:
    """Check multipath.conf as ``qemu-pr multipath-conf --check`` does, without asking disks."""
    try:
        files = this_host.read(host.root)
    except FileNotFoundError as error:
        what = "there is none, and so no reservation_key: multipathd registers no path"
        yield failure(str(error.filename), what, _WRITE_ONE)
        return
    except OSError as error:
        yield unknown(str(error.filename), f"cannot read it: {error.strerror}", "run as root")
        return
    disks = {one.wwid: f"/dev/mapper/{one.name}" for one in host.maps}
    known = Surroundings(disks=disks, maps=list(disks), running=host.multipathd)
    has_keys = all(
        configuration.setting(wwid)
        for configuration in (files, host.multipathd or files)
        for wwid in disks
    )
    findings = check(files, known)
    for one in findings:
        broken = one.problem.syntax or not has_keys
        yield Result(
            Outcome.FAILURE if broken else Outcome.WARNING,
            f"{one.file}:{one.problem.line}",
            f"{one.problem.what}: {one.problem.why}",
            one.problem.advice,
        )
    if not findings:
        yield ok(str(files.files[0].path), "every map has a reservation_key")


class KnownFault(NamedTuple):
    """A fault of some releases of multipath-tools.

    Attributes:
        first: The first release that has it.
        mended: The first release after it that does not.
        concerns: Tells whether it does harm with a configuration.
        what: What goes wrong.
        advice: What to do.
    """

    first: tuple[int, int, int]
    mended: tuple[int, int, int]
    concerns: Callable[[Configuration | None], bool]
    what: str
    advice: str


def _always(_configuration: Configuration | None) -> bool:
    return True


def _has_key_in_multipaths(configuration: Configuration | None) -> bool:
    entries = configuration.entries.values() if configuration else ()
    return any(entry.setting for entry in entries)


KNOWN_FAULTS = (
    KnownFault(
        (0, 9, 2),
        (0, 9, 4),
        _always,
        "libmpathpersist cannot tell multipathd that a map is registered",
        f"upgrade {_PACKAGE} to 0.9.4 or newer",
    ),
    KnownFault(
        (0, 0, 0),
        (0, 10, 0),
        _has_key_in_multipaths,
        "libmpathpersist does not find a reservation_key in the multipaths section",
        "put reservation_key into defaults, or upgrade to 0.10.0 or newer",
    ),
    KnownFault(
        (0, 13, 0),
        (0, 13, 1),
        _always,
        "a path that comes or goes while a registration is made may be left out",
        f"upgrade {_PACKAGE} to 0.13.1 or newer",
    ),
)
"""The faults that matter for reservations, from the release notes of multipath-tools."""


def release(host: Host) -> Iterator[Result]:
    """Compare the release of multipath-tools with the faults that are known."""
    found = installed_release()
    if found is None:
        yield unknown(_PACKAGE, "'multipath -h' does not tell its release", _INSTALL)
        return
    subject = f"{_PACKAGE} {'.'.join(map(str, found))}"
    faults = faults_of(found, host.multipathd)
    for one in faults:
        yield warning(subject, one.what, f"{one.advice}, {_OR_MENDED}")
    if not faults:
        yield ok(subject, "no known fault matters here")


def faults_of(
    release: tuple[int, int, int], configuration: Configuration | None
) -> list[KnownFault]:
    """Tell which faults of a release matter with a configuration.

    Args:
        release: Of multipath-tools.
        configuration: What multipathd runs with; None if that is not known.
    """
    return [
        one
        for one in KNOWN_FAULTS
        if one.first <= release < one.mended and one.concerns(configuration)
    ]


@cache
def installed_release() -> tuple[int, int, int] | None:
    """Ask multipath for its release; None if it does not tell."""
    program = shutil.which("multipath", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if program is None:
        return None
    try:
        answer = subprocess.run(
            [program, "-h"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = _RELEASE.search(answer.stdout + answer.stderr)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None
