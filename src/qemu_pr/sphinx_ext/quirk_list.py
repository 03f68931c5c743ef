"""The directive ``simulated-quirks``: the oddities of simulated disks, from their table."""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from qemu_pr import __version__
from qemu_pr.devices.quirks import QUIRKS


class _QuirkList(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        entries = [
            f"**{name}**\n   {quirk.text[0].upper()}{quirk.text[1:]}."
            for name, quirk in QUIRKS.items()
        ]
        return self.parse_text_to_nodes("\n\n".join(entries))


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the directive to Sphinx."""
    app.add_directive("simulated-quirks", _QuirkList)
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}
