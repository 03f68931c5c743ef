"""The directive ``lint-faults``: what ``qemu-pr lint`` looks for, from its own table."""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from qemu_pr.lint.faults import FAULTS


class _FaultList(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        entries = [
            f"``{fault.name}``\n   {_sentence(fault.why)} Remedy: {fault.remedy}."
            for fault in FAULTS
        ]
        return self.parse_text_to_nodes("\n\n".join(entries))


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def setup(app: Sphinx) -> None:
    """Add the directive to Sphinx."""
    app.add_directive("lint-faults", _FaultList)
