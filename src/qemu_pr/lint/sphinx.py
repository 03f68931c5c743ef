"""A Sphinx extension: warns of faults in a manual's QEMU command lines, in whatever is built of it.

Put ``qemu_pr.lint.sphinx`` into ``extensions`` of ``conf.py``. Each fault is a warning of the type
``qemu-pr.lint``.

The blocks of a page are checked together, at the lines where its source has them, so that a socket
in one block is compared with the helper in another.
"""

import os
from collections.abc import Iterator

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.typing import ExtensionMetadata

from qemu_pr import __version__
from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.lint.check import check

FAULTY = "faulty"
"""The class of a block that shows what is wrong on purpose: it is not checked."""

_logger = logging.getLogger(__name__)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Check each page once Sphinx has read it."""
    app.connect("doctree-read", _warn)
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}


def _warn(app: Sphinx, doctree: nodes.document) -> None:
    page = str(app.env.doc2path(app.env.docname))
    for file, line, text in _texts(doctree, page):
        try:
            reports = check(text)
        except CommandLineError:
            continue  # XML that is shown in part
        for report in reports:
            for one in report.findings:
                where = f"{os.path.relpath(file)}:{line + one.place.line - 1}"
                message = f"{one.fault.name}: {one.place.what}: {one.fault.why}; {one.fault.remedy}"
                _logger.warning(message, location=where, type="qemu-pr", subtype="lint")


def _texts(doctree: nodes.document, page: str) -> Iterator[tuple[str, int, str]]:
    """Give the texts to check: all blocks of a file at their lines, and each that has no line.

    Yields:
        A file, the line at which the text begins, and the text.
    """
    files: dict[str, list[str]] = {}
    sources: dict[str, list[str]] = {}
    for node in doctree.findall(nodes.FixedTextElement):
        if not isinstance(node, nodes.literal_block | nodes.doctest_block):
            continue
        if FAULTY in node["classes"]:
            continue
        file = _file(node, page)
        block = node.astext().split("\n")
        source = sources.setdefault(file, _lines(file))
        start = _place(block, source, node.line or 1)
        if start is None:
            yield file, node.line or 1, node.astext()
            continue
        lines = files.setdefault(file, [""] * len(source))
        lines[start : start + len(block)] = block
    for file, lines in files.items():
        yield file, 1, "\n".join(lines)


def _file(node: nodes.Element, page: str) -> str:
    source = node.source or page
    return source if os.path.isfile(source) else page


def _lines(file: str) -> list[str]:
    with open(file, encoding="utf-8", errors="replace") as opened:
        return opened.read().split("\n")


def _place(block: list[str], source: list[str], line: int) -> int | None:
    """Find where the source has a block; docutils may name the directive's line instead."""
    wanted = [one.strip() for one in block]
    for start in range(max(line - 2, 0), len(source)):
        if [one.strip() for one in source[start : start + len(block)]] == wanted:
            return start
    return None
