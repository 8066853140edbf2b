"""What has become of every trial, by group and depth."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skipray.report.groups import Layout

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate


FINISHED = ("trained", "untrained", "exploded", "diverged")
SQUARE_STATES = (*FINISHED, "failed", "running", "missing")
"""What can have become of a trial, as the coverage map shows it."""
MAX_SQUARES = 3000
"""A map of more trials than these shows counts alone: squares would make the page heavy and say no more."""


@dataclass(frozen=True)
class CoverageCell:
    counts: dict[str, int]
    """State -> seeds, those above 0."""
    text: str
    """`3/3`: seeds finished, of all."""
    words: str
    """`2 trained, 1 untrained`"""
    squares: tuple[str, ...]
    """A state per seed, or nothing where there are too many."""

    @property
    def state(self) -> str:
        """The worst thing in it, which colours it."""
        return next((s for s in reversed(SQUARE_STATES) if s in self.counts), "missing")


@dataclass(frozen=True)
class CoverageMap:
    depths: tuple[int, ...]
    rows: tuple[tuple[str, tuple[CoverageCell | None, ...]], ...]
    """Name of the group, and a cell per depth; None where the sweep has no such cell."""
    totals: dict[str, int]
    """State -> trials."""


def coverage_map(aggregate: "Aggregate", layout: Layout) -> CoverageMap:
    frame = aggregate.coverage
    depths = tuple(sorted({int(d) for d in frame["depth"]}))
    trials = int(frame["seeds"].sum()) if len(frame) else 0
    rows: dict[str, dict[int, CoverageCell]] = {}
    totals: Counter[str] = Counter()
    for record in frame.to_dict("records"):
        counts = {state: int(record[state]) for state in SQUARE_STATES if state != "trained"}
        counts = {"trained": int(record["finished"]) - sum(counts[s] for s in FINISHED[1:]), **counts}
        counts = {state: n for state, n in counts.items() if n > 0}
        totals.update(counts)
        cell = CoverageCell(
            counts,
            f"{int(record['finished'])}/{int(record['seeds'])}",
            ", ".join(f"{n} {state}" for state, n in counts.items()),
            tuple(state for state, n in counts.items() for _ in range(n)) if trials <= MAX_SQUARES else (),
        )
        rows.setdefault(layout.name(record["group"]), {})[int(record["depth"])] = cell
    return CoverageMap(
        depths,
        tuple((label, tuple(cells.get(d) for d in depths)) for label, cells in rows.items()),
        {state: totals[state] for state in SQUARE_STATES if totals[state]},
    )
