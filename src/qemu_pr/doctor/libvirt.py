"""Will libvirt start guests with reservations: its helper, and the domains that it has?"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.doctor.check import Result, ok, unknown, warning
from qemu_pr.doctor.host import Host
from qemu_pr.lint.block_devices import OF_THIS_HOST
from qemu_pr.lint.check import check

_PR_HELPER = re.compile(r"^[ \t]*pr_helper[ \t]*=[ \t]*\"(?P<path>[^\"\n]*)\"", re.MULTILINE)
_DEFAULT = "/usr/bin/qemu-pr-helper"
_LIBRARY = b"libmpathpersist"
_NOBODY_STARTS = "so libvirt starts no guest that has <reservations managed='yes'>"


def installed(host: Host) -> bool:
    """Tell whether libvirt runs guests with QEMU here."""
    return _configuration(host).exists()


def helper(host: Host) -> Iterator[Result]:
    """Look at the helper that libvirt starts for managed reservations."""
    file = _configuration(host)
    try:
        found = _PR_HELPER.findall(file.read_text(errors="surrogateescape"))
    except OSError as error:
        yield unknown(str(file), f"cannot read it: {error.strerror}", "run as root")
        return
    path = found[-1] if found else _DEFAULT
    subject = f"{file}: pr_helper = {path}" + ("" if found else ", the default")
    if not os.access(path, os.X_OK) or os.path.isdir(path):
        why = "no program" if os.path.exists(path) else "not there"
        advice = f"set pr_helper in {file} to the path of qemu-pr-helper, and restart libvirtd"
        yield warning(subject, f"it is {why}, {_NOBODY_STARTS}", advice)
    elif host.maps and not _reaches_all_paths(path):
        what = "it was built without multipath, and registers one path of a map"
        advice = f"set pr_helper in {file} to this package's qemu-pr-helper, and restart libvirtd"
        yield warning(subject, what, advice)
    else:
        yield ok(subject, "libvirt can start it")


def _reaches_all_paths(path: str) -> bool:
    """Tell whether a helper is a script, or names the library that it is linked with."""
    program = Path(path).read_bytes()
    return not program.startswith(b"\x7fELF") or _LIBRARY in program


def domains(host: Host) -> Iterator[Result]:
    """Find the faults that ``qemu-pr lint`` finds in the domains."""
    for file in sorted((host.etc / "libvirt/qemu").glob("*.xml")):
        try:
            reports = check(file.read_text(errors="surrogateescape"), OF_THIS_HOST)
        except OSError as error:
            yield unknown(str(file), f"cannot read it: {error.strerror}", "run as root")
            continue
        except CommandLineError as error:
            yield unknown(str(file), str(error), f"see: virsh dumpxml {file.stem}")
            continue
        findings = [one for report in reports for one in report.findings]
        for one in findings:
            what = f"{one.fault.name}: {one.found.what}: {one.fault.why}"
            advice = f"{one.fault.remedy}: virsh edit {file.stem}"
            yield warning(f"{file}:{one.found.line}", what, advice)
        if reports and not findings:
            yield ok(str(file), "its disks with reservations are right")


def _configuration(host: Host) -> Path:
    return host.etc / "libvirt/qemu.conf"
