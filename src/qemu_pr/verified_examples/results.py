"""What came of each example, in files: what the builder found, and what the lab did.

A result is for a text and not for a place, so a page that has changed since has no results to show.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from qemu_pr.verified_examples.transcript import normal


class Outcome(StrEnum):
    """What came of a block, in the words and the order of the report."""

    VERIFIED = "verified"
    IN_LAB = "verified in the lab"
    LEFT_TO_LAB = "left to the lab"
    OF_OTHER_RELEASE = "of another release"
    SKIPPED = "skipped"
    NOT_VERIFIED = "not verified"
    UNMARKED = "unmarked"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Told:
    """What a page tells of one of its examples.

    Attributes:
        outcome: What came of it.
        why: Why it did not run, or with what and when the lab ran it; empty if all is said.
    """

    outcome: Outcome
    why: str = ""


@dataclass(frozen=True, slots=True)
class LabRun:
    """A transcript that the lab has run, and found to be true.

    Attributes:
        text: The digest of the transcript.
        date: When, as YYYY-MM-DD.
        releases: With what.
    """

    text: str
    date: str
    releases: str

    def __str__(self) -> str:
        """Give the date and the releases."""
        return f"{self.date}, {self.releases}"


LAB_RUNS = "transcripts.jsonl"
"""The file in which the lab notes its runs, one a line."""


def digest(text: str) -> str:
    """Give what tells a text from others, whatever renders it."""
    return sha256(normal(text).encode(errors="surrogateescape")).hexdigest()


def note_lab_run(directory: Path, text: str, date: str, releases: str) -> None:
    """Note that a transcript is true.

    Args:
        directory: Where the lab puts what it found.
        text: The transcript.
        date: When, as YYYY-MM-DD.
        releases: With what.
    """
    run = LabRun(digest(text), date, releases)
    with (directory / LAB_RUNS).open("a") as file:
        file.write(json.dumps(asdict(run)) + "\n")


def lab_runs(directory: Path) -> dict[str, LabRun]:
    """Read what the lab noted last of each transcript, by digest.

    Args:
        directory: Where it put that, itself or in folders; it need not be there.
    """
    found: dict[str, LabRun] = {}
    for file in sorted(directory.rglob(LAB_RUNS), key=lambda file: file.stat().st_mtime):
        for line in file.read_text().splitlines():
            run = LabRun(**json.loads(line))
            found[run.text] = run
    return found


def save(file: Path, pages: Mapping[str, Iterable[tuple[str, Told]]]) -> None:
    """Save what came of the examples.

    Args:
        file: Where to.
        pages: The digest of each example's text and what came of it, by page; of equal texts the
            last one counts.
    """
    found = {page: {text: asdict(told) for text, told in pages[page]} for page in sorted(pages)}
    file.write_text(json.dumps(found, indent=1))


def load(file: Path) -> dict[str, dict[str, Told]]:
    """Read what came of the examples, by page and digest; nothing if there is no such file."""
    with suppress(FileNotFoundError):
        return {
            page: {
                text: Told(Outcome(told["outcome"]), told["why"]) for text, told in texts.items()
            }
            for page, texts in json.loads(file.read_text()).items()
        }
    return {}
