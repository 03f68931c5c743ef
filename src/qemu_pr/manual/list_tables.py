"""Directives that print the rules of persistent reservations as tables, so that they cannot drift.

``reservation-access`` prints who may read and write, ``reservation-service-actions`` who may send
which PERSISTENT RESERVE OUT service action, ``sense-codes`` the sense data that this package knows,
with its name in SPC-4 and what `qemu-pr persist` advises.
"""

import re
from collections.abc import Callable, Iterable, Sequence

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from qemu_pr.client.failures import explain
from qemu_pr.logical_unit import rules
from qemu_pr.logical_unit.rules import Access, Standing
from qemu_pr.scsi.commands import OutServiceAction, PersistentReserveOut
from qemu_pr.scsi.names import TYPE_NAMES
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.sense_codes import CODES, name_of
from qemu_pr.scsi.status import Completion

Cell = str | int
"""An integer is written with commas."""

_PROGRAM_TEXT = re.compile(r"((?<![\w-])--?[a-z][\w-]*|qemu-pr-helper --simulate)")
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


def sense_rows() -> list[list[str]]:
    """Give the table of sense data: a header, then a row for each, sorted by sense key."""
    known = sorted((Sense(code.key, code.asc, code.ascq) for code in CODES), key=str)
    return [["Sense", "Name", "What to do", "Exit status"], *map(_sense_row, known)]


def _sense_row(known: Sense) -> list[str]:
    command = PersistentReserveOut(OutServiceAction.REGISTER, 24)
    failure = explain(command, Completion.check_condition(known))
    assert failure is not None  # none of them says that all went well
    advice = failure.advice or "see the log of the disk or its array"
    sentence = _PROGRAM_TEXT.sub(r"``\1``", f"{advice[0].upper()}{advice[1:]}.")
    return [str(known), name_of(known).upper(), sentence, str(failure.exit_status)]


def list_table(rows: Iterable[Sequence[Cell]]) -> str:
    """Write rows as a reStructuredText list-table whose first row is the header."""
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: auto", ""]
    for row in rows:
        cells = (f"{cell:,}" if isinstance(cell, int) else cell for cell in row)
        lines += [f"   {' ' if number else '*'} - {cell}" for number, cell in enumerate(cells)]
    return "\n".join([*lines, ""])


TABLES: dict[str, Callable[[], list[list[str]]]] = {
    "reservation-access": access_rows,
    "reservation-service-actions": service_action_rows,
    "sense-codes": sense_rows,
}
"""The directives, by name."""


class _Table(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(list_table(TABLES[self.name]()))


def setup(app: Sphinx) -> None:
    """Add the directives to Sphinx."""
    for name in TABLES:
        app.add_directive(name, _Table)
