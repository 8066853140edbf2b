"""What networks have reached, cell by cell: the first thing that is asked of a sweep."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from skipray.analysis.score import ACCURACIES, judged_by
from skipray.spec import Cell, SweepSpec, TrialSpec

if TYPE_CHECKING:
    import pandas as pd

    from skipray.analysis.aggregation import Aggregate

SPLITS = ("train", "test")


@dataclass(frozen=True)
class CellScore:
    """Means over the seeds of a cell."""

    cell: Cell
    seeds: int
    """That it is to have."""
    scored: int
    """That have finished with a score on at least one split."""
    means: Mapping[str, float | None]
    """Of each of SPLITS; None where no seed has one."""
    counts: Mapping[str, int]
    """Of each of SPLITS: seeds that the mean is over."""
    diverged: int = 0
    """Seeds that have diverged, whose last scores are those of the network before: in no mean."""


@dataclass(frozen=True)
class Scores:
    """Of a sweep, its cells in the sweep's order."""

    metric: str
    """accuracy, or, of values, loss."""
    cells: tuple[CellScore, ...]

    def records(self, names: Iterable[str]) -> list[dict[str, Any]]:
        """A record per cell, for JSON.

        Args:
            names: of the factors that every record has, None where a family lacks one.
        """
        names = list(names)
        return [
            {
                **c.cell.row(names),
                "metric": self.metric,
                "seeds": c.seeds,
                "scored": c.scored,
                "diverged": c.diverged,
                **c.means,
            }
            for c in self.cells
        ]


def scores_of(seeds: Mapping[Cell, int], trials: "pd.DataFrame", cells: Mapping[str, Cell]) -> Scores:
    """The scores of cells, whatever has finished of them; of a network that no epoch has trained there is none.

    Args:
        seeds: cell -> how many it is to have.
        trials: `skipray.tracking.read_trials`; rows of other cells are passed over.
        cells: trial_id -> cell.
    """
    if "recipe.epochs" in trials:
        trials = trials[trials["recipe.epochs"] != 0]
    diverged: Counter[Cell] = Counter()
    if "outcome" in trials:
        lost = trials["outcome"] == "diverged"
        diverged.update(cells[i] for i in trials["trial_id"][lost] if i in cells)
    metric = (judged_by(trials) if len(trials) else ACCURACIES)[0].partition(".")[2]
    trials = trials[~lost] if diverged else trials
    values: dict[tuple[Cell, str], list[float]] = {}
    for split in SPLITS:
        column = f"{split}.{metric}"
        if column not in trials:
            continue
        for trial_id, value in zip(trials["trial_id"], trials[column].astype(float), strict=True):
            if math.isfinite(value) and trial_id in cells:
                values.setdefault((cells[trial_id], split), []).append(value)
    found = []
    for cell, asked in seeds.items():
        own = {split: values.get((cell, split), []) for split in SPLITS}
        means = {split: sum(v) / len(v) if v else None for split, v in own.items()}
        counts = {split: len(v) for split, v in own.items()}
        found.append(CellScore(cell, asked, max(counts.values()), means, counts, diverged[cell]))
    return Scores(metric, tuple(found))


def scores_by_now(sweep: SweepSpec, known: Sequence[TrialSpec], trials: "pd.DataFrame") -> Scores:
    """The scores of the trials that a sweep has by now: of a tuned one those of the tuned finals, and, before there are
    any, of the default ones."""
    finals = [t for t in known if t.phase == "final"]
    tuned = [t for t in finals if t.setting == "tuned"]
    shown = tuned if sweep.tune is not None and tuned else finals
    return scores_of(Counter(t.cell for t in shown), trials, {t.trial_id: t.cell for t in shown})


def scores_in(result: "Aggregate") -> Scores:
    """The scores of an aggregation."""
    covered = result.coverage.to_dict("records")
    cells = {
        str(row["trial_id"]): Cell(result.groups[row["trial_id"]], int(row["depth"]))
        for row in result.trials.filter(["trial_id", "depth"]).to_dict("records")  # of no trials it may have no columns
    }
    return scores_of(
        {Cell(row["group"], int(row["depth"])): int(row["seeds"]) for row in covered}, result.trials, cells
    )
