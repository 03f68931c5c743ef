"""The README's tour prints what it says."""

import os
import re
import sys
from pathlib import Path

from qemu_pr.verified_examples.session import Session, environment
from qemu_pr.verified_examples.transcript import matches, normal, parse

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
TOUR = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_tour_prints_what_the_readme_shows_and_leaves_nothing_running(tmp_path: Path) -> None:
    """It runs as after `make`, in a checkout whose programs are not in PATH yet."""
    programs, temporary = Path(sys.executable).parent, tmp_path / "tmp"
    (tmp_path / "checkout/.venv").mkdir(parents=True)
    (tmp_path / "checkout/.venv/bin").symlink_to(programs)
    temporary.mkdir()
    given = environment(tmp_path) | {"PATH": os.defpath, "TMPDIR": str(temporary)}
    steps = [step for block in TOUR.findall(README.read_text()) for step in parse(block)]
    session = Session(tmp_path / "checkout", given)

    try:
        printed = [session.run(step.command, timeout=30).output for step in steps]
        # Each helper removes its file as the last thing that it does.
        ended = session.run("while ls *.pid; do sleep 0.1; done 2>/dev/null", timeout=30)
    finally:
        session.close()

    wrong = [
        (step.command, output)
        for step, output in zip(steps, printed, strict=True)
        if not matches(normal(step.expected), normal(output))
    ]
    assert len(steps) >= 10
    assert wrong == []
    assert ended.status == 0
