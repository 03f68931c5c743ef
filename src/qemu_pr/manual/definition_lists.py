"""Directives that list what the programs know, each from the table that the programs use.

To add one: a function that gives the entries, and its name in `LISTS`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from qemu_pr.devices.quirks import QUIRKS
from qemu_pr.doctor.checks import CHECKS as DOCTOR_CHECKS
from qemu_pr.fleet.findings import KINDS
from qemu_pr.fleet.metrics import METRICS as REPORT_METRICS
from qemu_pr.fleet.schema import schema
from qemu_pr.helper.audit.record import FIELDS
from qemu_pr.helper.events import DEBUG, EVENTS, NORMAL, VERBOSE
from qemu_pr.helper.metrics import METRICS as HELPER_METRICS
from qemu_pr.lint.faults import FAULTS
from qemu_pr.validate.checks import CHECKS as VALIDATE_CHECKS
from qemu_pr.validate.profiles import PROFILES

_LOGGED_WITH = {NORMAL: "logged", VERBOSE: "``-v``", DEBUG: "``-v -v``"}
_PLACE = re.compile(r"\{.*?\}")

Entries = Iterable[tuple[str, str]]
"""What is listed, and what is said of it, both as reStructuredText."""


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _named(texts: Mapping[str, str]) -> Entries:
    return ((f"``{name}``", text) for name, text in texts.items())


def _doctor_checks() -> Entries:
    return ((f"``{check.name}``", _sentence(check.asks)) for check in DOCTOR_CHECKS)


def _lint_faults() -> Entries:
    for fault in FAULTS:
        yield f"``{fault.name}``", f"{_sentence(fault.why)} Remedy: {fault.remedy}."


def _fleet_findings() -> Entries:
    return ((f"``{kind.name}``", _sentence(kind.means)) for kind in KINDS)


def _report_fields(given: Mapping[str, Any], name: str = "") -> Iterator[tuple[str, str]]:
    """Give the fields of the schema that say what they are, those of objects in lists as well."""
    if "$ref" in given:
        given = schema()["$defs"][given["$ref"].removeprefix("#/$defs/")]
    if name and "description" in given:
        yield f"``{name}``", given["description"]
    if "items" in given and "$ref" in given["items"]:
        for inner, text in _report_fields(given["items"], f"{name}[]"):
            if inner != f"``{name}[]``":
                yield inner, text
    for inner, value in given.get("properties", {}).items():
        yield from _report_fields(value, f"{name}.{inner}" if name else inner)


def _trace_events() -> Entries:
    for name, (level, text) in EVENTS.items():
        yield f"``{name}`` ({_LOGGED_WITH[level]})", _PLACE.sub("…", text)


def _helper_metrics() -> Entries:
    for name, (kind, text) in HELPER_METRICS.items():
        yield f"``{name}`` ({kind})", text


def _simulated_quirks() -> Entries:
    return ((f"**{name}**", _sentence(quirk.text)) for name, quirk in QUIRKS.items())


def _validate_checks() -> Entries:
    sequences = [check for profile in PROFILES for check in profile.sequences]
    for check in (*VALIDATE_CHECKS, *sequences):
        yield f"``{check.name}``", _sentence(f"{check.what} (SPC-4, {check.clause})")


def _validate_profiles() -> Entries:
    for profile in PROFILES:
        sequences = ", ".join(f"``{check.name}``" for check in profile.sequences)
        needs = ", ".join(f"``{name}``" for name in (*profile.needs, *profile.either))
        wants = ", ".join(f"``{name}``" for name in profile.wants)
        sources = "; ".join(f"`{name} <{address}>`__" for name, address in profile.sources)
        yield (
            f"``{profile.name}``: {profile.title}",
            f"Sends {sequences}, as told by {sources}. Depends on {needs}. Works without {wants},"
            " with a drawback.",
        )


LISTS: dict[str, Callable[[], Entries]] = {
    "audit-fields": lambda: _named(FIELDS),
    "doctor-checks": _doctor_checks,
    "fleet-findings": _fleet_findings,
    "helper-metrics": _helper_metrics,
    "lint-faults": _lint_faults,
    "report-fields": lambda: _report_fields(schema()),
    "report-metrics": lambda: _named(REPORT_METRICS),
    "simulated-quirks": _simulated_quirks,
    "trace-events": _trace_events,
    "validate-checks": _validate_checks,
    "validate-profiles": _validate_profiles,
}
"""The directives, by name."""


class _List(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        items = (f"{name}\n   {text}" for name, text in LISTS[self.name]())
        return self.parse_text_to_nodes("\n\n".join(items))


def setup(app: Sphinx) -> None:
    """Add the directives to Sphinx."""
    for name in LISTS:
        app.add_directive(name, _List)
