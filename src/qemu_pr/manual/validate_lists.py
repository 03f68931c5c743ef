"""Directives that list what ``qemu-pr validate`` does, from its own tables.

``validate-checks`` prints the checks, ``validate-profiles`` what each profile rests on, with its
sources.
"""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from qemu_pr.validate.checks import CHECKS
from qemu_pr.validate.profiles import PROFILES


class _Checks(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        sequences = [check for profile in PROFILES for check in profile.sequences]
        entries = [
            f"``{check.name}``\n   {check.what[0].upper()}{check.what[1:]} (SPC-4, {check.clause})."
            for check in (*CHECKS, *sequences)
        ]
        return self.parse_text_to_nodes("\n\n".join(entries))


class _Profiles(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        lines = []
        for profile in PROFILES:
            sequences = ", ".join(f"``{check.name}``" for check in profile.sequences)
            needs = ", ".join(f"``{name}``" for name in (*profile.needs, *profile.either))
            wants = ", ".join(f"``{name}``" for name in profile.wants)
            sources = "; ".join(f"`{name} <{address}>`__" for name, address in profile.sources)
            lines.append(
                f"``{profile.name}``: {profile.title}\n   Sends {sequences}, as told by {sources}."
                f" Depends on {needs}. Works without {wants}, with a drawback.\n"
            )
        return self.parse_text_to_nodes("\n".join(lines))


def setup(app: Sphinx) -> None:
    """Add the directives to Sphinx."""
    app.add_directive("validate-checks", _Checks)
    app.add_directive("validate-profiles", _Profiles)
