"""Will libvirt start guests with reservations: its helper, and the domains that it has?"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.doctor.check import Result, ok, unknown, warning
from qemu_pr.doctor.host import Host
from qemu_pr.host.sockets import listening
from qemu_pr.lint.check import check

_PR_HELPER = re.compile(r"^[ \t]*pr_helper[ \t]*=[ \t]*\"([^\"\n]*)\"", re.MULTILINE)
# The file that is installed shows the default: a path, or from libvirt 11 on a name.
_PR_HELPER_DEFAULT = re.compile(r"^#pr_helper = \"([^\"\n]*)\"", re.MULTILINE)
_DEFAULT = "/usr/bin/qemu-pr-helper"
_SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # systemd's, for services
_MODULAR_SOCKET = "/run/libvirt/virtqemud-sock"
_LIBRARY = b"libmpathpersist"
_NOBODY_STARTS = "so libvirt starts no guest that has <reservations managed='yes'>"


def installed(host: Host) -> bool:
    """Tell whether libvirt runs guests with QEMU here.

    Raises:
        PermissionError: Who asks may not know; `Path.exists` would say no, from Python 3.14 on.
    """
    try:
        _configuration(host).stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def helper(host: Host) -> Iterator[Result]:
    """Look at the helper that libvirt starts for managed reservations."""
    file = _configuration(host)
    try:
        text = file.read_text(errors="surrogateescape")
    except OSError as error:
        yield unknown(str(file), f"cannot read it: {error.strerror}", "run as root")
        return
    found = _PR_HELPER.findall(text)
    name = [_DEFAULT, *_PR_HELPER_DEFAULT.findall(text), *found][-1]
    path = name if "/" in name else _search(host, name)
    program = host.file(path)
    subject = f"{file}: pr_helper = {name}" + ("" if found else ", the default")
    restart = f"and restart {_daemon(host)}"
    if not os.access(program, os.X_OK) or os.path.isdir(program):
        why = "no program" if os.path.exists(program) else "not there"
        advice = f"set pr_helper in {file} to the path of qemu-pr-helper, {restart}"
        yield warning(subject, f"it is {why}, {_NOBODY_STARTS}", advice)
    elif host.maps and not _reaches_all_paths(program):
        what = "it was built without multipath, and registers one path of a map"
        advice = f"set pr_helper in {file} to this package's qemu-pr-helper, {restart}"
        yield warning(subject, what, advice)
    else:
        yield ok(subject, "libvirt can start it")


def _search(host: Host, name: str) -> str:
    """Give the path of a program of the host, or its name where there is none."""
    paths = (f"{directory}/{name}" for directory in _SEARCH.split(":"))
    return next((path for path in paths if os.access(host.file(path), os.X_OK)), name)


def _daemon(host: Host) -> str:
    """Name the service that reads qemu.conf: of libvirt's modular daemons, or the one for all."""
    modular = any(one.is_at(_MODULAR_SOCKET) for one in listening(host.proc))
    return "virtqemud" if modular else "libvirtd"


def _reaches_all_paths(path: str) -> bool:
    """Tell whether a helper is a script, or names the library that it is linked with."""
    program = Path(path).read_bytes()
    return not program.startswith(b"\x7fELF") or _LIBRARY in program


def domains(host: Host) -> Iterator[Result]:
    """Find the faults that ``qemu-pr lint`` finds in the domains."""
    for file in sorted((host.etc / "libvirt/qemu").glob("*.xml")):
        try:
            reports = check(file.read_text(errors="surrogateescape"), host.block_devices)
        except OSError as error:
            yield unknown(str(file), f"cannot read it: {error.strerror}", "run as root")
            continue
        except CommandLineError as error:
            yield unknown(str(file), str(error), f"see: virsh dumpxml {file.stem}")
            continue
        findings = [one for report in reports for one in report.findings]
        for one in findings:
            what = f"{one.fault.name}: {one.place.what}: {one.fault.why}"
            advice = f"{one.fault.remedy}: virsh edit {file.stem}"
            yield warning(f"{file}:{one.place.line}", what, advice)
        if reports and not findings:
            yield ok(str(file), "its disks with reservations are right")


def _configuration(host: Host) -> Path:
    return host.etc / "libvirt/qemu.conf"
