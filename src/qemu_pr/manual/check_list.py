"""The directive ``doctor-checks``: what ``qemu-pr doctor`` looks at, from its own table."""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from qemu_pr.doctor.checks import CHECKS


class _CheckList(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        entries = [
            f"``{check.name}``\n   {check.asks[0].upper()}{check.asks[1:]}." for check in CHECKS
        ]
        return self.parse_text_to_nodes("\n\n".join(entries))


def setup(app: Sphinx) -> None:
    """Add the directive to Sphinx."""
    app.add_directive("doctor-checks", _CheckList)
