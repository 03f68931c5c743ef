"""The README's tour prints what it says."""

import re
from pathlib import Path

from qemu_pr.sphinx_ext.session import Session, environment
from qemu_pr.sphinx_ext.transcript import matches, normal, parse

README = Path(__file__).parents[1] / "README.md"
TOUR = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_tour_prints_what_the_readme_shows(tmp_path: Path) -> None:
    steps = [step for block in TOUR.findall(README.read_text()) for step in parse(block)]
    session = Session(tmp_path, environment(tmp_path))

    try:
        printed = [session.run(step.command, timeout=30).output for step in steps]
    finally:
        session.close()

    wrong = [
        (step.command, output)
        for step, output in zip(steps, printed, strict=True)
        if not matches(normal(step.expected), normal(output))
    ]
    assert len(steps) >= 10
    assert wrong == []
