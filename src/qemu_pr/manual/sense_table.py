"""The directive ``sense-codes``: the sense data that this package knows, from its own tables.

One row for each: its code, its name in SPC-4, and what `qemu-pr persist` advises.
"""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from qemu_pr.client.failures import explain
from qemu_pr.manual.reservation_tables import list_table
from qemu_pr.scsi.commands import OutServiceAction, PersistentReserveOut
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.sense_codes import CODES, name_of
from qemu_pr.scsi.status import Completion

_PROGRAM_TEXT = re.compile(r"((?<![\w-])--?[a-z][\w-]*|qemu-pr-helper --simulate)")


def rows() -> list[list[str]]:
    """Give the table: a header, then a row for each sense, sorted by sense key."""
    known = sorted((Sense(code.key, code.asc, code.ascq) for code in CODES), key=str)
    return [["Sense", "Name", "What to do", "Exit status"], *map(_row, known)]


def _row(known: Sense) -> list[str]:
    command = PersistentReserveOut(OutServiceAction.REGISTER, 24)
    failure = explain(command, Completion.check_condition(known))
    assert failure is not None  # none of them says that all went well
    advice = failure.advice or "see the log of the disk or its array"
    sentence = _PROGRAM_TEXT.sub(r"``\1``", f"{advice[0].upper()}{advice[1:]}.")
    return [str(known), name_of(known).upper(), sentence, str(failure.exit_status)]


class _SenseCodes(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(list_table(rows()))


def setup(app: Sphinx) -> None:
    """Add the directive to Sphinx."""
    app.add_directive("sense-codes", _SenseCodes)
