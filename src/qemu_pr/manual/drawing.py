"""Draws what goes from where to where as SVG, narrow enough for a phone: text in, text out.

A drawing is a list of arrows, written one a line, ``FROM -> TO: LABEL``. `sequence` puts the places
side by side and time downwards; `stack` puts the places below each other. Lines take the colour of
the text around them, so that a drawing suits a light page and a dark one.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

_ARROW = re.compile(r"(?P<start>[^:]+?) -> (?P<end>[^:]+?): (?P<label>.+)")

WIDTH = 360
"""Of every drawing, in pixels: what a phone shows beside its margins."""

_LINE = 15  # from one line of text to the next
_CAPITAL, _CHARACTER = 9.2, 6.8  # widths, in a wide font
_HEAD = 34  # height of a box
_BOX = 180  # width of a box in a stack
_PADDING = 14


@dataclass(frozen=True, slots=True)
class Arrow:
    """What goes from one place to another."""

    start: str
    end: str
    label: str


def read(lines: Iterable[str]) -> list[Arrow]:
    """Read arrows.

    Args:
        lines: ``FROM -> TO: LABEL``; empty lines do not count.

    Raises:
        ValueError: A line is no arrow; the text says which.
    """
    arrows = []
    for line in filter(None, map(str.strip, lines)):
        if not (found := _ARROW.fullmatch(line)):
            raise ValueError(f"expected FROM -> TO: LABEL, not {line!r}")
        arrows.append(Arrow(**found.groupdict()))
    return arrows


def sequence(arrows: Sequence[Arrow]) -> str:
    """Draw who says what to whom: a column for each place, time downwards."""
    places = _places(arrows)
    column = WIDTH / len(places)
    x = {place: column * (number + 0.5) for number, place in enumerate(places)}
    y = float(_HEAD + _PADDING)
    drawn = []
    for arrow in arrows:
        start, end = x[arrow.start], x[arrow.end]
        words = _wrapped(arrow.label, abs(end - start) - 16)
        drawn.append(_text(words, (start + end) / 2, y + _LINE - 4))
        y += _LINE * len(words) + 4
        drawn.append(_arrow((start, y), (end, y)))
        y += _PADDING
    lives = [_line((at, _HEAD), (at, y), kind="life") for at in x.values()]
    heads = [_box(place, at, 0, column - 12) for place, at in x.items()]
    return _svg(y, [*lives, *heads, *drawn])


def stack(arrows: Sequence[Arrow]) -> str:
    """Draw what leads from place to place: boxes below each other, ways down left, ways up right.

    A way that passes a box goes around it, on the right.
    """
    places = _places(arrows)
    level = {place: number for number, place in enumerate(places)}
    gaps: list[list[Arrow]] = [[] for _ in places]
    around: list[Arrow] = []
    for arrow in arrows:
        above, below = sorted((level[arrow.start], level[arrow.end]))
        (gaps[above] if below == above + 1 else around).append(arrow)
    middle = WIDTH / 2 - (30 if around else 0)
    ways = {True: (middle - 20, "end"), False: (middle + 20, "start")}  # by: is it downwards?
    tops, drawn, y = {}, [], 0.0
    for place, gap in zip(places, gaps, strict=True):
        tops[place] = y
        drawn.append(_box(place, middle, y, _BOX))
        y += _HEAD
        if not gap:
            continue
        texts = {arrow: _wrapped(arrow.label, middle - 29) for arrow in gap}
        height = _LINE * max(map(len, texts.values())) + 2 * _PADDING
        for arrow, words in texts.items():
            downwards = level[arrow.start] < level[arrow.end]
            at, anchor = ways[downwards]
            ends = [(at, y), (at, y + height)]
            drawn.append(_arrow(*(ends if downwards else ends[::-1])))
            first = y + height / 2 - _LINE * (len(words) - 1) / 2 + 4
            drawn.append(_text(words, at + (-7 if downwards else 7), first, anchor))
        y += height
    for number, arrow in enumerate(around):
        at = WIDTH - 4 - 60 * number
        start, end = (tops[place] + _HEAD / 2 for place in (arrow.start, arrow.end))
        edge = middle + _BOX / 2
        drawn.append(_arrow((edge, start), (at, start), (at, end), (edge, end)))
        words = _wrapped(arrow.label, abs(end - start) - 8)
        beside, halfway = at - 6 - _LINE * (len(words) - 1), (start + end) / 2
        turned = f' transform="rotate(-90 {beside:g} {halfway:g})"'
        drawn.append(_text(words, beside, halfway, "middle", turned))
    return _svg(y, drawn)


def in_words(arrows: Iterable[Arrow]) -> str:
    """Say what a drawing shows, for those who do not see it."""
    return " ".join(f"{arrow.start} to {arrow.end}: {arrow.label}." for arrow in arrows)


def _places(arrows: Iterable[Arrow]) -> list[str]:
    return list(dict.fromkeys(place for arrow in arrows for place in (arrow.start, arrow.end)))


def _wrapped(text: str, width: float) -> list[str]:
    """Break text into lines of some width, at blanks."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _width(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _width(text: str) -> float:
    return sum(_CAPITAL if character.isupper() else _CHARACTER for character in text)


def _svg(height: float, parts: Iterable[str]) -> str:
    size = f'width="{WIDTH}" height="{height + 2:g}" viewBox="0 -1 {WIDTH} {height + 2:g}"'
    body = "".join(parts)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} aria-hidden="true">{body}</svg>'


def _box(text: str, x: float, y: float, width: float) -> str:
    frame = f'<rect x="{x - width / 2:g}" y="{y:g}" width="{width:g}" height="{_HEAD}" rx="5"/>'
    return frame + _text([text], x, y + _HEAD / 2 + 4)


def _text(
    lines: Sequence[str], x: float, y: float, anchor: str = "middle", attributes: str = ""
) -> str:
    spans = "".join(
        f'<tspan x="{x:g}" y="{y + number * _LINE:g}">{escape(line)}</tspan>'
        for number, line in enumerate(lines)
    )
    return f'<text text-anchor="{anchor}"{attributes}>{spans}</text>'


def _arrow(*points: tuple[float, float]) -> str:
    """Draw a line of level and upright pieces, with a head at its end."""
    (x0, y0), (x, y) = points[-2:]
    along_x, along_y = _sign(x - x0) * 7, _sign(y - y0) * 7
    left, right = (
        f"{x - along_x + side * along_y / 2:g},{y - along_y + side * along_x / 2:g}"
        for side in (1, -1)
    )
    return _line(*points) + f'<polygon points="{x:g},{y:g} {left} {right}"/>'


def _line(*points: tuple[float, float], kind: str = "way") -> str:
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    return f'<polyline class="{kind}" points="{path}"/>'


def _sign(number: float) -> int:
    return (number > 0) - (number < 0)
