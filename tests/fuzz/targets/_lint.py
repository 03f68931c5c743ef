"""What holds for whatever lint reads."""

import os

from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.lint import readers
from qemu_pr.lint.check import Report
from qemu_pr.lint.check import check as lint
from targets._replaced import replaced

# Lint looks at texts that have nothing to do with reservations, too: the fuzzer finds more so.
_MENTIONS = ("",)


def check_reports(text: str) -> list[Report]:
    """Check what lint says of a text; of XML that is not well formed it says nothing."""
    try:
        with replaced(readers, "_MENTIONS", _MENTIONS):
            reports = lint(text)
    except CommandLineError:
        return []
    lines = text.count("\n") + text.count("\0") + 1
    for report in reports:
        assert 1 <= report.line <= lines
        found = [finding.place.line for finding in report.findings]
        assert found == sorted(found)
        assert not found or 1 <= found[0] <= found[-1] <= lines
        os.fsencode(report.corrected)
        if not report.findings:
            assert (report.corrected, report.left) == ("", ())
    return reports
