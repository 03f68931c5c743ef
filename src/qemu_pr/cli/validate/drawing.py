"""Draws the life of a reservation as SVG: who sends what, who is registered, who holds."""

from collections.abc import Iterator, Sequence
from html import escape

from qemu_pr.scsi.status import Status
from qemu_pr.validate.check import Played
from qemu_pr.validate.judging import outcome
from qemu_pr.validate.steps import Who

_WIDTH, _ROW, _TOP = 980, 34, 40
_LANES = {Who.DISK: 40, Who.PEER: 940}
_UNIT, _BAR = 490, 64
_COLOURS = {Who.DISK: "var(--disk)", Who.PEER: "var(--peer)"}


def draw(steps: Sequence[Played], wrong: int | None) -> str:
    """Draw a check: a lane for each nexus, the disk between them, time downwards.

    A lane is thick while its nexus is registered; the disk has the colour of who holds it.

    Args:
        steps: What was sent and answered.
        wrong: The number of the step whose answer is not right, if there is one.
    """
    height = _TOP + _ROW * len(steps) + 10
    parts = [*_heads(), *_lives(steps), *_commands(steps, wrong)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}"'
        f' viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(_in_words(steps))}">'
        f"{''.join(parts)}</svg>"
    )


def _heads() -> Iterator[str]:
    for who, x in _LANES.items():
        yield _text(who, x, 20, colour=_COLOURS[who], weight="600")
    yield _text("logical unit", _UNIT, 20, weight="600")


def _lives(steps: Sequence[Played]) -> Iterator[str]:
    """Draw what is so after each step, down to the next."""
    yield _bar(_TOP - 8, _ROW * len(steps) + 12, "var(--soft)")
    shown = None
    for number, one in enumerate(steps):
        y = _y(number)
        for who, x in _LANES.items():
            width = 6 if who in one.registered else 1
            colour = _COLOURS[who] if who in one.registered else "var(--line)"
            yield (
                f'<line x1="{x}" y1="{y}" x2="{x}" y2="{y + _ROW}"'
                f' stroke="{colour}" stroke-width="{width}"/>'
            )
        if one.reserved is not None:
            who, type_ = one.reserved
            yield _bar(y, _ROW, _COLOURS[who])
            if shown != one.reserved:
                yield _text(f"type {type_}", _UNIT, y + 20, colour="#fff", weight="600")
        shown = one.reserved


def _commands(steps: Sequence[Played], wrong: int | None) -> Iterator[str]:
    for number, one in enumerate(steps):
        y = _y(number)
        x = _LANES[one.step.who]
        side = 1 if one.step.who is Who.DISK else -1
        end = _UNIT - side * _BAR / 2
        colour = "var(--bad)" if number == wrong else "var(--ink)"
        dash = "" if one.got.status == Status.GOOD else ' stroke-dasharray="5 4"'
        yield (
            f'<line x1="{x}" y1="{y}" x2="{end:g}" y2="{y}" stroke="{colour}"{dash}/>'
            f'<path d="M{end:g} {y}l{-7 * side} -4v8z" fill="{colour}"/>'
        )
        anchor = "start" if side == 1 else "end"
        told = "" if one.got.status == Status.GOOD else f": {_short(outcome(one.got))}"
        words = f"{one.step.words}{told}"
        yield _text(words, x + 10 * side, y - 5, anchor, colour)


def _short(text: str) -> str:
    return text.partition(" (")[0]


def _y(number: int) -> int:
    return _TOP + _ROW * number + 16


def _bar(y: float, height: float, colour: str) -> str:
    left = _UNIT - _BAR / 2
    return f'<rect x="{left:g}" y="{y:g}" width="{_BAR}" height="{height:g}" fill="{colour}"/>'


def _text(
    text: str,
    x: float,
    y: float,
    anchor: str = "middle",
    colour: str = "var(--ink)",
    weight: str = "400",
) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-weight="{weight}"'
        f' style="fill:{colour}">{escape(text)}</text>'
    )


def _in_words(steps: Sequence[Played]) -> str:
    return " ".join(f"{one.step.who}: {one.step.words}: {outcome(one.got)}." for one in steps)
