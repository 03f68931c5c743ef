"""In man pages, a reference to a page of the manual is its title: there is nothing to follow.

docutils puts the address behind each reference in a man page. Sphinx has none for other pages, and
what stayed of it was ``<>``.
"""

from docutils import nodes
from sphinx.application import Sphinx


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.connect("doctree-resolved", _name_pages)


def _name_pages(app: Sphinx, document: nodes.document, _page: str) -> None:
    if app.builder.format == "man":
        for reference in list(document.findall(nodes.reference)):
            if reference.get("internal"):
                reference.replace_self(nodes.emphasis("", reference.astext()))
