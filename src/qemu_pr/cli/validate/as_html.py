"""A certificate as one page in HTML that needs no other file, each reservation's life drawn."""

from collections.abc import Iterable, Iterator
from html import escape

from qemu_pr import __version__
from qemu_pr.cli.validate.drawing import draw
from qemu_pr.cli.validate.report import Report
from qemu_pr.cli.validate.text import disk_line
from qemu_pr.validate.check import Outcome, Played, Result
from qemu_pr.validate.judging import outcome
from qemu_pr.validate.profiles import Verdict, VerdictWord

_STYLE = """
:root { --ink: #1b1f24; --paper: #fff; --soft: #f2f4f6; --line: #c9d0d6; --good: #1a7f37;
  --bad: #b42318; --mild: #8a5a00; --disk: #1f6feb; --peer: #9a4bd8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --paper: #14171a; --soft: #20252a;
  --line: #3a424a; --good: #4cc26b; --bad: #ff7b72; --mild: #e0a93b; --disk: #6ea8ff;
  --peer: #c792f0; } }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem 1rem; color: var(--ink);
  background: var(--paper); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 0; }
dt { opacity: .75; } dd { margin: 0; overflow-wrap: anywhere; }
.verdict { border: 1px solid var(--line); border-left: .4rem solid var(--mild);
  border-radius: .4rem; padding: .6rem .9rem; margin: .6rem 0; background: var(--soft); }
.verdict.works { border-left-color: var(--good); } .verdict.fails { border-left-color: var(--bad); }
.verdict strong { display: block; } .verdict ul { margin: .3rem 0 0; padding-left: 1.2rem; }
details { border-bottom: 1px solid var(--line); padding: .35rem 0; }
summary { cursor: pointer; display: grid; grid-template-columns: 5.2rem 13rem 1fr; gap: .8rem; }
summary code { font-weight: 600; } .ok { color: var(--good); } .deviates { color: var(--bad); }
.left { opacity: .7; } .why { color: var(--bad); }
table { border-collapse: collapse; font-size: .85rem; width: 100%; margin: .6rem 0; }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
td code { font-size: .8rem; } tr.wrong td { color: var(--bad); }
.drawing { overflow-x: auto; } svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }
@media (max-width: 40rem) { summary { grid-template-columns: 1fr; gap: 0; } }
@media print { body { max-width: none; } }
"""

_CLASSES = {VerdictWord.WORKS: "works", VerdictWord.FAILS: "fails"}


def render(report: Report) -> str:
    """Render a certificate.

    Args:
        report: It.

    Returns:
        The page's text.
    """
    title = f"Persistent reservations: {report.opened.disk}"
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{escape(title)}</h1>",
            f"<p>{escape(_headline(report))}</p>",
            *_facts(report),
            "<h2>Verdicts</h2>",
            *map(_verdict, report.verdicts),
            "<h2>Checks</h2>",
            "<p>Open a check to see what was sent, and the life of its reservation. K1, K2, …"
            f" stand for <code>{report.keys[1]:#x}</code>, <code>{report.keys[2]:#x}</code>, …</p>",
            *map(_check, report.results),
            "</body></html>\n",
        )
    )


def _headline(report: Report) -> str:
    run = sum(result.outcome is not Outcome.LEFT_OUT for result in report.results)
    if report.deviating:
        return f"The disk deviates from SPC-4 in {len(report.deviating)} of {run} checks."
    return f"The disk conforms to SPC-4 in the {run} checks that were run."


def _facts(report: Report) -> Iterator[str]:
    rows: dict[str, str] = {
        "Disk": disk_line(report),
        "Transport": report.transport,
        "Date": report.began.isoformat(sep=" ", timespec="seconds"),
        "Program": f"qemu-pr {__version__}, profile {report.profile}",
        **{
            str(who): "; ".join(filter(None, (way.name, _ports(report, who), _writes(report, who))))
            for who, way in report.opened.ways.items()
        },
    }
    yield "<dl>"
    for name, value in rows.items():
        yield f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>"
    yield "</dl>"


def _ports(report: Report, who: str) -> str:
    ports = next((ports for one, ports in report.ports.items() if one == who), frozenset())
    names = sorted(f"{port.initiator}, target port {port.target_port}" for port in ports)
    return " and ".join(names)


def _writes(report: Report, who: str) -> str:
    told = next((told for one, told in report.medium.items() if one == who), "")
    return f"writes: {told}" if told else ""


def _verdict(verdict: Verdict) -> str:
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in verdict.reasons)
    sources = ", ".join(
        f'<a href="{escape(address)}">{escape(name)}</a>'
        for name, address in verdict.profile.sources
    )
    profile = verdict.profile
    return (
        f'<div class="verdict {_CLASSES.get(verdict.word, "")}">'
        f"<strong>{escape(profile.title)}: {escape(verdict.word)}</strong>"
        f"{f'<ul>{reasons}</ul>' if reasons else ''}<small>What it sends: {sources}</small></div>"
    )


def _check(result: Result) -> str:
    check = result.check
    kind = {Outcome.LEFT_OUT: "left"}.get(result.outcome, result.outcome)
    is_open = " open" if result.outcome is Outcome.DEVIATES else ""
    parts = [
        f'<details{is_open}><summary><span class="{kind}">{escape(result.outcome)}</span>'
        f"<code>{escape(check.name)}</code><span>{escape(check.what)}</span></summary>"
    ]
    if result.what:
        tone = "why" if result.outcome is Outcome.DEVIATES else "left"
        parts.append(f'<p class="{tone}">{escape(result.what)}</p>')
    parts += [f"<p>{escape(note)}</p>" for note in result.notes]
    parts.append(f"<p>SPC-4, {escape(check.clause)}. Who depends on it: {escape(check.users)}.</p>")
    if result.steps:
        parts.append(f'<div class="drawing">{draw(result.steps, result.wrong)}</div>')
        parts.append(_table(result.steps, result.wrong))
    parts.append("</details>")
    return "".join(parts)


def _table(steps: Iterable[Played], wrong: int | None) -> str:
    rows = "".join(
        f"<tr{' class=wrong' if number == wrong else ''}><td>{one.step.who}</td>"
        f"<td>{escape(one.step.words)}<br><code>{one.cdb.hex(' ')}</code></td>"
        f"<td>{escape(outcome(one.got))}</td><td>{escape(outcome(one.right))}</td>"
        f"<td>{one.seconds * 1000:.1f}</td></tr>"
        for number, one in enumerate(steps)
    )
    header = "<tr><th>By</th><th>Command</th><th>Answer</th><th>Right</th><th>ms</th></tr>"
    return f"<table>{header}{rows}</table>"
