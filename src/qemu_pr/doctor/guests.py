"""Do the guests that run have command lines that can work?"""

import os
import re
from collections.abc import Iterator

from qemu_pr.command_line.options import Setting
from qemu_pr.command_line.shell import Word
from qemu_pr.doctor.check import Result, failure, ok, warning
from qemu_pr.doctor.host import Host
from qemu_pr.host.process import processes
from qemu_pr.lint.command import is_device_file, path_of
from qemu_pr.lint.readers.words import settings_of

_QEMU = re.compile(r"qemu-system-\w+|qemu-kvm|kvm")


def run(host: Host) -> bool:
    """Tell whether there are any."""
    return bool(host.guests)


def command_lines(host: Host) -> Iterator[Result]:
    """Find the faults that ``qemu-pr lint`` finds."""
    for guest in host.guests:
        findings = [one for report in guest.reports for one in report.findings]
        for one in findings:
            what = f"{one.fault.name}: {one.place.what}: {one.fault.why}"
            yield failure(guest.process.name, what, one.fault.remedy)
        if not findings:
            yield ok(guest.process.name, "its command line is right")


def have_helper(host: Host) -> bool:
    """Tell whether the host has a helper, so that its guests are likely to need it."""
    return host.socket is None and bool(host.helpers or host.helper_sockets_elsewhere())


def without_manager(host: Host) -> Iterator[Result]:
    """Find guests that have a disk, or a raw image of one, and no manager at all."""
    for process in processes(host.proc):
        words = process.arguments
        if process.is_guest or not words or not _QEMU.fullmatch(os.path.basename(words[0])):
            continue
        settings, _ = settings_of([Word(word) for word in words])
        disks = [path_of(one)[1] for one in settings if _is_disk(one)]
        if disks:
            what = f"no reservation manager: reservations of {', '.join(disks)} do not reach it"
            advice = "if the guest is to reserve it, start it with what this prints: "
            yield warning(process.name, what, f"{advice}qemu-pr command-line {disks[0]}")


def _is_disk(setting: Setting) -> bool:
    """Tell whether an option opens a device, or a file as it is."""
    if setting.argument.option not in ("blockdev", "drive"):
        return False
    given = setting.properties
    raw = "raw" in (given.get("format"), given.get("driver"))
    return is_device_file(path_of(setting)[1]) or (raw and bool(path_of(setting)[1]))
