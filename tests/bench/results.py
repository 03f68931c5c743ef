"""What a benchmark found: a row for each measurement, as JSON for the manual, as text to read."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


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

    @property
    def ratio(self) -> float:
        """Of the medians, ours to the other."""
        return statistics.median(self.ours) / statistics.median(self.theirs)

    @property
    def is_met(self) -> bool:
        """Whether the target is met."""
        if self.target is None:
            return True
        return self.ratio >= self.target if self.more_is_better else self.ratio <= self.target


def save(rows: Sequence[Row], machine: str, path: Path) -> None:
    """Write what the manual's page draws."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_json(rows, machine))


def as_json(rows: Sequence[Row], machine: str) -> str:
    """Give all values, their medians and ratios."""
    described = [
        {
            **asdict(row),
            "median_ours": statistics.median(row.ours),
            "median_theirs": statistics.median(row.theirs),
            "ratio": row.ratio,
            "is_met": row.is_met,
        }
        for row in rows
    ]
    return json.dumps({"machine": machine, "rows": described}, indent=1) + "\n"


def as_table(rows: Sequence[Row]) -> str:
    """Give medians, spreads (half of the values are within) and ratios, aligned."""
    lines = [("", "ours", "", "other", "", "ratio", "wanted", "")]
    for row in rows:
        wanted = ""
        if row.target is not None:
            wanted = f"{'>=' if row.more_is_better else '<='} {row.target:g}"
        lines.append(
            (
                f"{row.name}, {row.unit}",
                *_median_and_spread(row.ours),
                *_median_and_spread(row.theirs),
                f"{row.ratio:.2f}",
                wanted,
                "" if row.is_met else "missed",
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _median_and_spread(values: Sequence[float]) -> tuple[str, str]:
    if len(values) < 2:
        return _number(values[0]), ""
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return _number(middle), f"{_number(low)}..{_number(high)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
