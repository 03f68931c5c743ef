"""Directives that print what the helper writes, from its own tables.

``trace-events``: the events of its log and its traces; ``audit-fields``: the fields of the audit
log; ``helper-metrics``: what it counts.
"""

import re
from collections.abc import Callable

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from qemu_pr import __version__
from qemu_pr.helper.audit.record import FIELDS
from qemu_pr.helper.events import DEBUG, EVENTS, NORMAL, VERBOSE
from qemu_pr.helper.metrics import METRICS
from qemu_pr.sphinx_ext.reservation_tables import list_table

_LOGGED_WITH = {NORMAL: "always", VERBOSE: "``-v``", DEBUG: "``-vv``"}
_PLACE = re.compile(r"\{.*?\}")


def _events() -> list[list[str]]:
    rows = [
        [f"``{name}``", _LOGGED_WITH[level], _PLACE.sub("…", text)]
        for name, (level, text) in EVENTS.items()
    ]
    return [["Event", "Logged", "Text"], *rows]


def _fields() -> list[list[str]]:
    return [["Field", "What it says"], *([f"``{name}``", text] for name, text in FIELDS.items())]


def _metrics() -> list[list[str]]:
    rows = [[f"``{name}``", kind, text] for name, (kind, text) in METRICS.items()]
    return [["Metric", "Type", "What it tells"], *rows]


def _directive(rows: Callable[[], list[list[str]]]) -> type[SphinxDirective]:
    class Table(SphinxDirective):
        def run(self) -> list[nodes.Node]:
            return self.parse_text_to_nodes(list_table(rows()))

    return Table


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the directives to Sphinx."""
    app.add_directive("trace-events", _directive(_events))
    app.add_directive("audit-fields", _directive(_fields))
    app.add_directive("helper-metrics", _directive(_metrics))
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}
