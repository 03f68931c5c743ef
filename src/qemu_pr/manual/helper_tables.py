"""Directives that print what the helper writes, from its own tables.

``trace-events``: the events of its log and its traces; ``audit-fields``: the fields of the audit
log; ``helper-metrics``: what it counts.
"""

import re
from collections.abc import Callable, Iterable

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from qemu_pr.helper.audit.record import FIELDS
from qemu_pr.helper.events import DEBUG, EVENTS, NORMAL, VERBOSE
from qemu_pr.helper.metrics import METRICS

_LOGGED_WITH = {NORMAL: "logged", VERBOSE: "``-v``", DEBUG: "``-v -v``"}
_PLACE = re.compile(r"\{.*?\}")

Entries = Iterable[tuple[str, str, str]]


def _events() -> Entries:
    """Give name, verbosity and text of each."""
    for name, (level, text) in EVENTS.items():
        yield name, f" ({_LOGGED_WITH[level]})", _PLACE.sub("…", text)


def _fields() -> Entries:
    for name, text in FIELDS.items():
        yield name, "", text


def _metrics() -> Entries:
    """Give name, type and meaning of each."""
    for name, (kind, text) in METRICS.items():
        yield name, f" ({kind})", text


def _directive(entries: Callable[[], Entries]) -> type[SphinxDirective]:
    class DefinitionList(SphinxDirective):
        def run(self) -> list[nodes.Node]:
            items = (f"``{name}``{remark}\n   {text}" for name, remark, text in entries())
            return self.parse_text_to_nodes("\n\n".join(items))

    return DefinitionList


def setup(app: Sphinx) -> None:
    """Add the directives to Sphinx."""
    app.add_directive("trace-events", _directive(_events))
    app.add_directive("audit-fields", _directive(_fields))
    app.add_directive("helper-metrics", _directive(_metrics))
