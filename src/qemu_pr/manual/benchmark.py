"""A directive that prints what ``make bench`` measured, as a table and a plot.

::

    .. benchmark:: ../../build/bench.json

       How to read them.

The file is named from the directory of the page. Where it is missing, the page says how to make it,
in place of what the figures mean: figures are never typed in.
"""

import json
import math
import statistics
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from qemu_pr.manual.list_tables import list_table

_MISSING = """\
.. note::

   This manual was built without figures. To see those of your machine, run ``make bench`` as root,
   then ``make html``.
"""

HEADER = ["Measured", "Here", "With", "Ratio", "Wanted"]

_ROW_HEIGHT = 20
_LABEL_WIDTH = 430
_PLOT_WIDTH = 330
_SCALE = (0.0625, 0.125, 0.25, 0.5, 1, 2, 4)


def table(found: dict[str, Any]) -> str:
    """Write measurements as a reStructuredText list-table."""
    return list_table([HEADER, *map(cells, found["rows"])])


def plot(found: dict[str, Any]) -> str:
    """Draw as SVG how many times better this helper is than QEMU's, on a logarithmic scale."""
    rows = [row for row in found["rows"] if row["other"] == "C helper"]
    height = (len(rows) + 2) * _ROW_HEIGHT
    return "\n".join(
        (
            f'<svg viewBox="0 0 {_LABEL_WIDTH + _PLOT_WIDTH + 60} {height}" role="img"'
            ' font-family="sans-serif" font-size="12" fill="currentColor">',
            "<title>How many times better than QEMU's helper</title>",
            *_axis(height),
            *(line for number, row in enumerate(rows) for line in _bar(number, row)),
            "</svg>",
        )
    )


def cells(row: dict[str, Any]) -> list[str]:
    """Write one measurement below :data:`HEADER`: medians, with half of the values in brackets."""
    wanted = ""
    if row["target"] is not None:
        sign = "at least" if row["more_is_better"] else "at most"
        wanted = f"{sign} {row['target']:.3g}{'' if row['is_met'] else ' (missed)'}"
    return [
        f"{row['name']}, {row['unit']}",
        _median_and_spread(row["ours"]),
        f"{row['other']}: {_median_and_spread(row['theirs'])}",
        f"{row['ratio']:.2f}",
        wanted,
    ]


def _median_and_spread(values: Sequence[float]) -> str:
    if len(values) < 2:
        return _number(values[0])
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{_number(middle)} ({_number(low)} to {_number(high)})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _axis(height: int) -> Iterator[str]:
    for times in _SCALE:
        x = _x(times)
        width = 1.5 if times == 1 else 0.3
        yield (
            f'<path d="M{x:.1f} {_ROW_HEIGHT}V{height}"'
            f' stroke="currentColor" stroke-width="{width}"/>'
        )
        yield f'<text x="{x:.1f}" y="12" text-anchor="middle">{times:g}</text>'


def _bar(number: int, row: dict[str, Any]) -> Iterator[str]:
    times = row["ratio"] if row["more_is_better"] else 1 / row["ratio"]
    y = (number + 1) * _ROW_HEIGHT
    left, right = sorted((_x(1), _x(times)))
    colour = "#2a9d5c" if times >= 1 else "#c8553d"
    name = escape(row["name"])
    yield f'<text x="{_LABEL_WIDTH - 8}" y="{y + 14}" text-anchor="end">{name}</text>'
    yield (
        f'<rect x="{left:.1f}" y="{y + 4}" width="{max(right - left, 1):.1f}"'
        f' height="{_ROW_HEIGHT - 8}" fill="{colour}"/>'
    )
    yield f'<text x="{right + 4:.1f}" y="{y + 14}">{times:.2g}</text>'


def _x(times: float) -> float:
    low, high = math.log(_SCALE[0]), math.log(_SCALE[-1])
    place = (math.log(times) - low) / (high - low)
    return _LABEL_WIDTH + _PLOT_WIDTH * min(max(place, 0), 1)


class _Benchmark(SphinxDirective):
    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        _, path = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(path)
        try:
            found = json.loads(Path(path).read_text())
        except FileNotFoundError:
            return self.parse_text_to_nodes(_MISSING)
        machine = nodes.paragraph(text=f"Measured on: {found['machine']}.")
        drawing = nodes.raw("", plot(found), format="html")
        figures = self.parse_text_to_nodes(table(found))
        return [machine, drawing, *figures, *self.parse_content_to_nodes()]


def setup(app: Sphinx) -> None:
    """Add the directive to Sphinx."""
    app.add_directive("benchmark", _Benchmark)
