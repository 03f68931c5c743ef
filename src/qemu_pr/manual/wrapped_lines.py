"""Makes each line of a block an element of its own, so that a style sheet can wrap it.

A line that goes on below has to begin further in there, and browsers indent the lines of one
element only as one. A line may also end behind a comma: QEMU's options are long, and have no
blanks.
"""

from collections.abc import Iterable, Iterator

from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
from sphinx.application import Sphinx


class LineFormatter(HtmlFormatter):  # type: ignore[misc]
    """Pygments' formatter, with the class ``line`` around lines; their text stays as it is."""

    def wrap(self, source: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        """Put lines into elements, and all of them into that of the block."""
        return super().wrap(self._lines(source))  # type: ignore[no-any-return]

    def _lines(self, source: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        for is_code, line in source:
            text = line.removesuffix("\n").replace(",", ",<wbr>")
            yield is_code, f'<span class="line">{text}</span>\n'


def setup(app: Sphinx) -> None:
    """Have HTML builders use the formatter."""
    app.connect("builder-inited", _use)


def _use(app: Sphinx) -> None:
    if highlighter := getattr(app.builder, "highlighter", None):
        highlighter.formatter = LineFormatter
