"""The directives of this manual, and how it looks: one Sphinx extension.

What a directive prints comes from the tables of the programs, so that no page can drift from them.
"""

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from qemu_pr import __version__
from qemu_pr.manual import (
    benchmark,
    definition_lists,
    figures,
    list_tables,
    man_references,
    option_lists,
    privileged_modules,
    wrapped_lines,
    your_disk,
)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register all of it with Sphinx."""
    benchmark.setup(app)
    definition_lists.setup(app)
    figures.setup(app)
    list_tables.setup(app)
    man_references.setup(app)
    option_lists.setup(app)
    privileged_modules.setup(app)
    wrapped_lines.setup(app)
    your_disk.setup(app)
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}
