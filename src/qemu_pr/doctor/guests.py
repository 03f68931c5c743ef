"""Do the guests that run have command lines that can work?"""

from collections.abc import Iterator

from qemu_pr.doctor.check import Result, failure, ok
from qemu_pr.doctor.host import Host


def run(host: Host) -> bool:
    """Tell whether there are any."""
    return bool(host.guests)


def command_lines(host: Host) -> Iterator[Result]:
    """Find the faults that ``qemu-pr lint`` finds."""
    for guest in host.guests:
        findings = [one for report in guest.reports for one in report.findings]
        for one in findings:
            what = f"{one.fault.name}: {one.found.what}: {one.fault.why}"
            yield failure(guest.process.name, what, one.fault.remedy)
        if not findings:
            yield ok(guest.process.name, "its command line is right")
