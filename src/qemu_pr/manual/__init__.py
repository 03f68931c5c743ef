"""The directives of this manual, and how it looks: one Sphinx extension.

What a directive prints comes from the tables of the programs, so that no page can drift from them.
"""

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from qemu_pr import __version__
from qemu_pr.manual import (
    benchmark,
    check_list,
    fault_list,
    figures,
    fleet_lists,
    helper_tables,
    man_references,
    option_lists,
    privileged_modules,
    quirk_list,
    reservation_tables,
    sense_table,
    validate_lists,
    wrapped_lines,
    your_disk,
)

_PARTS = (
    benchmark,
    check_list,
    fault_list,
    figures,
    fleet_lists,
    helper_tables,
    man_references,
    option_lists,
    privileged_modules,
    quirk_list,
    reservation_tables,
    sense_table,
    validate_lists,
    wrapped_lines,
    your_disk,
)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register all of it with Sphinx."""
    for part in _PARTS:
        part.setup(app)
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}
