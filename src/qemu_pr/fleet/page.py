"""The matrix as a page for browsers: one file that loads nothing and runs its own script only."""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence, Sized
from html import escape
from importlib.resources import files
from string import Template

from qemu_pr import __version__
from qemu_pr.fleet.findings import Finding
from qemu_pr.fleet.matrix import Cell, Fleet, Row
from qemu_pr.fleet.reading import Unreadable
from qemu_pr.fleet.words import reservation_words, standing

_CLASSES = {"-": "none", "?": "unknown"}


def render(fleet: Fleet, found: Sequence[Finding], unreadable: Sequence[Unreadable]) -> str:
    """Give the page. Reports are strangers' words: all of them are escaped.

    Args:
        fleet: The matrix.
        found: What is wrong.
        unreadable: The reports that could not be read.
    """
    folder = files("qemu_pr.fleet")
    style = folder.joinpath("page.css").read_text()
    script = folder.joinpath("page.js").read_text()
    rows = [row for row in fleet.rows if row.matters]
    times = sorted(report["time"] for report in fleet.reports.values())
    return Template(folder.joinpath("page.html").read_text()).substitute(
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        version=escape(__version__),
        summary=escape(
            f"{_count(fleet.reports, 'host')}, {_count(rows, 'disk')}, {_count(found, 'finding')}"
            + (f", {_count(unreadable, 'unreadable report')}" if unreadable else "")
        ),
        times=escape(" to ".join(dict.fromkeys((times[0], times[-1])))) if times else "no reports",
        findings="".join(_findings(found, unreadable)) or "<p class=good>No findings.</p>",
        heads="".join(_head(host) for host in fleet.reports),
        rows="".join(_row(row, fleet) for row in rows),
        hosts="".join(_hosts(fleet)),
    )


def _count(things: Sized, name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _findings(found: Iterable[Finding], unreadable: Iterable[Unreadable]) -> Iterator[str]:
    for bad in unreadable:
        yield _card("unreadable", bad.source, bad.why, "")
    for one in found:
        yield _card(one.kind, one.subject, one.what, one.advice)


def _card(kind: str, subject: str, what: str, advice: str) -> str:
    todo = f"<p class=todo>{escape(advice)}</p>" if advice else ""
    return (
        f"<article><h3><span class=kind>{escape(kind)}</span> {escape(subject)}</h3>"
        f"<p>{escape(what)}</p>{todo}</article>\n"
    )


def _head(text: str) -> str:
    return f"<th scope=col><button type=button>{escape(text)}</button></th>"


def _row(row: Row, fleet: Fleet) -> str:
    cells = "".join(_cell(row, row.cells.get(host)) for host in fleet.reports)
    return (
        f"<tr><th scope=row>{escape(row.identity)}</th>"
        f"<td>{escape(reservation_words(row))}</td>{cells}</tr>\n"
    )


def _cell(row: Row, cell: Cell | None) -> str:
    word = standing(row, cell)
    name = _CLASSES.get(word, word.lower())
    if cell is None:
        return f"<td class={name}>-</td>"
    keys = ", ".join(dict.fromkeys(one["reservation_key"] for one in cell.registrations))
    paths = "?" if cell.registered is None else cell.registered
    lines = [f"{paths} of {cell.paths} paths", *cell.guests, *filter(None, [keys])]
    details = "".join(f"<span>{escape(line)}</span>" for line in lines)
    return f'<td class={name} title="{escape(cell.disk["device"])}"><b>{word}</b>{details}</td>'


def _hosts(fleet: Fleet) -> Iterator[str]:
    for host, report in fleet.reports.items():
        helpers = ", ".join(
            f"{one['kind'] or '?'} {one['version'] or '?'}" for one in report["helpers"]
        )
        guests = ", ".join(one["name"] for one in report["guests"])
        outcomes = [one["outcome"] for one in report["findings"]]
        doctor = ", ".join(
            f"{outcomes.count(one)} {one}" for one in ("failure", "warning") if one in outcomes
        )
        missing = "; ".join(one["what"] for one in report["not_seen"])
        cells = (helpers or "none", guests, doctor or "well", missing, report["time"])
        yield (
            f"<tr><th scope=row>{escape(host)}</th>"
            + "".join(f"<td>{escape(text)}</td>" for text in cells)
            + "</tr>\n"
        )
