"""What a benchmark found: a row for each measurement, as JSON for the manual, as text to read."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from qemu_pr.manual.benchmark import HEADER, cells


@dataclass
class Row:
    """One measurement of both helpers, in turn, several times.

    Attributes:
        name: What was measured.
        unit: Of the values.
        target: The ratio of the medians, ours to the other, that is wanted; None if none is.
        more_is_better: Whether the ratio should be at least the target; else at most.
        ours: The values of our helper.
        theirs: The values of what it is compared with.
        other: What it is compared with.
    """

    name: str
    unit: str
    target: float | None = None
    more_is_better: bool = False
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    other: str = "C helper"

    def add(self, is_ours: bool, value: float) -> None:
        """Write down a value of one of the two."""
        (self.ours if is_ours else self.theirs).append(value)

    def described(self) -> dict[str, Any]:
        """Give all values, their medians and ratio, and whether the target is met."""
        ours, theirs = statistics.median(self.ours), statistics.median(self.theirs)
        ratio = ours / theirs
        is_met = self.target is None or (
            ratio >= self.target if self.more_is_better else ratio <= self.target
        )
        found = {"median_ours": ours, "median_theirs": theirs, "ratio": ratio, "is_met": is_met}
        return asdict(self) | found


def save(rows: Sequence[Row], machine: str, path: Path) -> None:
    """Write what the manual's page draws."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_json(rows, machine))


def as_json(rows: Sequence[Row], machine: str) -> str:
    """Give what each row describes."""
    described = [row.described() for row in rows]
    return json.dumps({"machine": machine, "rows": described}, indent=1) + "\n"


def as_table(rows: Sequence[Row]) -> str:
    """Give the table of the manual's page, aligned."""
    lines = [HEADER, *(cells(row.described()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
