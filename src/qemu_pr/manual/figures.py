"""Directives that draw figures when the manual is built, with no program but Python.

``figure-sequence`` and ``figure-stack`` draw the arrows of their text (`drawing`); the argument is
the caption. ``reservation-life`` draws what `reservation_life` found. Whoever does not see a figure
gets it in words.
"""

from collections.abc import Sequence
from html import escape

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from qemu_pr.manual import drawing
from qemu_pr.manual.drawing import Arrow
from qemu_pr.manual.reservation_life import reservation_life


class _Figure(SphinxDirective):
    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def draw(self, arrows: Sequence[Arrow]) -> str:
        raise NotImplementedError

    def arrows(self) -> list[Arrow]:
        self.assert_has_content()
        try:
            return drawing.read(self.content)
        except ValueError as error:
            raise self.error(str(error)) from None

    def run(self) -> list[nodes.Node]:
        arrows, caption = self.arrows(), self.arguments[0]
        words = escape(f"{caption} {drawing.in_words(arrows)}", quote=True)
        html = (
            f'<figure class="drawing" role="img" aria-label="{words}">{self.draw(arrows)}'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
        )
        elsewhere = addnodes.only("", nodes.paragraph("", drawing.in_words(arrows)))
        elsewhere["expr"] = "not html"
        return [nodes.raw("", html, format="html"), elsewhere]


class _Sequence(_Figure):
    def draw(self, arrows: Sequence[Arrow]) -> str:
        return drawing.sequence(arrows)


class _Stack(_Figure):
    def draw(self, arrows: Sequence[Arrow]) -> str:
        return drawing.stack(arrows)


class _ReservationLife(_Stack):
    has_content = False

    def arrows(self) -> list[Arrow]:
        return reservation_life()


def setup(app: Sphinx) -> None:
    """Add the directives to Sphinx."""
    app.add_directive("figure-sequence", _Sequence)
    app.add_directive("figure-stack", _Stack)
    app.add_directive("reservation-life", _ReservationLife)
