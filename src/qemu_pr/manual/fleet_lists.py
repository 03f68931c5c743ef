"""The directives ``fleet-findings``, ``report-metrics``, ``report-fields``: what reports hold."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from qemu_pr.fleet.findings import KINDS
from qemu_pr.fleet.metrics import METRICS
from qemu_pr.fleet.schema import schema


def _findings() -> Iterable[tuple[str, str]]:
    return ((kind.name, f"{kind.means[0].upper()}{kind.means[1:]}.") for kind in KINDS)


def _fields(given: Mapping[str, Any], name: str = "") -> Iterator[tuple[str, str]]:
    """Give the fields of the schema that say what they are, those of objects in lists as well."""
    if "$ref" in given:
        given = schema()["$defs"][given["$ref"].removeprefix("#/$defs/")]
    if name and "description" in given:
        yield name, given["description"]
    if "items" in given and "$ref" in given["items"]:
        for inner, text in _fields(given["items"], f"{name}[]"):
            if inner != f"{name}[]":
                yield inner, text
    for inner, value in given.get("properties", {}).items():
        yield from _fields(value, f"{name}.{inner}" if name else inner)


def _directive(entries: Callable[[], Iterable[tuple[str, str]]]) -> type[SphinxDirective]:
    class DefinitionList(SphinxDirective):
        def run(self) -> list[nodes.Node]:
            items = (f"``{name}``\n   {text}" for name, text in entries())
            return self.parse_text_to_nodes("\n\n".join(items))

    return DefinitionList


def setup(app: Sphinx) -> None:
    """Add the directives to Sphinx."""
    app.add_directive("fleet-findings", _directive(_findings))
    app.add_directive("report-metrics", _directive(METRICS.items))
    app.add_directive("report-fields", _directive(lambda: _fields(schema())))
