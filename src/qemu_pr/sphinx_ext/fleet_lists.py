"""The directives ``fleet-findings`` and ``report-metrics``: from the tables of `qemu_pr.fleet`."""

from collections.abc import Callable, Iterable

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from qemu_pr import __version__
from qemu_pr.fleet.findings import KINDS
from qemu_pr.fleet.metrics import METRICS


def _findings() -> Iterable[tuple[str, str]]:
    return ((kind.name, f"{kind.means[0].upper()}{kind.means[1:]}.") for kind in KINDS)


def _directive(entries: Callable[[], Iterable[tuple[str, str]]]) -> type[SphinxDirective]:
    class DefinitionList(SphinxDirective):
        def run(self) -> list[nodes.Node]:
            items = (f"``{name}``\n   {text}" for name, text in entries())
            return self.parse_text_to_nodes("\n\n".join(items))

    return DefinitionList


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the directives to Sphinx."""
    app.add_directive("fleet-findings", _directive(_findings))
    app.add_directive("report-metrics", _directive(METRICS.items))
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}
