"""The directive ``simulated-quirks``: the oddities of simulated disks, from their table."""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from qemu_pr.devices.quirks import QUIRKS


class _QuirkList(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        entries = [
            f"**{name}**\n   {quirk.text[0].upper()}{quirk.text[1:]}."
            for name, quirk in QUIRKS.items()
        ]
        return self.parse_text_to_nodes("\n\n".join(entries))


def setup(app: Sphinx) -> None:
    """Add the directive to Sphinx."""
    app.add_directive("simulated-quirks", _QuirkList)
