"""Directives that print the rules of persistent reservations as tables, so that they cannot drift.

``reservation-access`` prints who may read and write, ``reservation-service-actions`` who may send
which PERSISTENT RESERVE OUT service action.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from qemu_pr.logical_unit import rules
from qemu_pr.logical_unit.rules import Access, Standing
from qemu_pr.scsi.commands import OutServiceAction
from qemu_pr.scsi.names import TYPE_NAMES

_MEDIUM = {
    Access(read=True, write=True): "reads, writes",
    Access(read=True, write=False): "reads",
    Access(read=False, write=False): "conflict",
}


def access_rows() -> list[list[str]]:
    """Give the table of who may read and write: a header, then a row for each type."""
    rows = [["Type", "Name", "Holder", "Registered, but no holder", "Not registered"]]
    for type_, access in rules.ACCESS.items():
        cells = [_MEDIUM[access[standing]] for standing in sorted(Standing, reverse=True)]
        if type_ in rules.ALL_REGISTRANTS:
            cells[1] = "—"
        rows.append([str(type_.value), TYPE_NAMES[type_], *cells])
    return rows


def service_action_rows() -> list[list[str]]:
    """Give the table of who may send what: a header, then a row for each service action."""
    rows = [["Service action", "Holder", "Registered, but no holder", "Not registered"]]
    for action in OutServiceAction:
        if action not in rules.LEAST_STANDING:
            continue
        allowed = [
            "yes" if rules.LEAST_STANDING[action] <= standing else "conflict"
            for standing in sorted(Standing, reverse=True)
        ]
        rows.append([action.name.replace("_", " "), *allowed])
    return rows


def list_table(rows: Iterable[Sequence[str]]) -> str:
    """Write rows as a reStructuredText list-table whose first row is the header."""
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: auto", ""]
    for row in rows:
        for number, cell in enumerate(row):
            lines.append(f"   {'* ' if number == 0 else '  '}- {cell}")
    return "\n".join(lines)


class _Table(SphinxDirective):
    rows: ClassVar[Callable[[], list[list[str]]]]

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(list_table(type(self).rows()))


class _AccessTable(_Table):
    rows = staticmethod(access_rows)


class _ServiceActionTable(_Table):
    rows = staticmethod(service_action_rows)


def setup(app: Sphinx) -> None:
    """Add the directives to Sphinx."""
    app.add_directive("reservation-access", _AccessTable)
    app.add_directive("reservation-service-actions", _ServiceActionTable)
