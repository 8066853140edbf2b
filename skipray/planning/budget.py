"""What fits into a budget, and which cells lose where it does not reach: what tells least is lost first.

A depth and a seed are lost in all groups together, so that what is left can still be compared.
"""

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from skipray.search.tuning import extra_points
from skipray.spec import SweepSpec, TrialSpec
from skipray.wording import counted

SEEDS = 3
"""Fewer do not tell noise from a trend: depths are lost before they are."""
DEPTHS = 4
"""Fewer do not tell a trend from its curvature: seeds are lost before they are."""

Unit = tuple[int, int]
"""A depth and a seed: the trials of all groups there."""


@dataclass(frozen=True)
class Budget:
    """How much may be spent: one of the two."""

    seconds: float | None = None
    """Of wall time."""
    trials: int | None = None

    def __str__(self) -> str:
        return counted(self.trials, "trial") if self.trials is not None else f"{(self.seconds or 0) / 3600:.3g} h"


_UNITS = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400}


def parse_budget(text: str) -> Budget:
    """`3h`, `90min`, `1.5d` are times; `100` is a number of trials.

    >>> parse_budget("90min")
    Budget(seconds=5400.0, trials=None)

    Raises:
        ValueError: for anything else.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d)?", text.strip())
    if found and found[2] is None and found[1].isdigit() and int(found[1]) > 0:
        return Budget(trials=int(found[1]))
    if found and found[2] is not None and float(found[1]) > 0:
        return Budget(seconds=float(found[1]) * _UNITS[found[2]])
    raise ValueError(f"found {text!r}; allowed: a time such as 3h, 90min or 2d, or a number of trials such as 100")


@dataclass(frozen=True)
class BudgetFit:
    """What a budget reaches for."""

    budget: Budget
    kept: frozenset[Unit]
    lost: tuple[Unit, ...]
    """In the order in which they were given up."""
    seconds: float
    """Wall time of what is kept."""
    trials: int
    extension: int = 0
    """Trials that a tuned sweep adds beyond these for each side of a range that it has to widen."""

    def keeps(self, trial: TrialSpec) -> bool:
        """Whether a trial is still run; a tuning trial is, as long as its depth is."""
        if trial.phase == "tune":
            return any(depth == trial.model.depth for depth, _ in self.kept)
        return (trial.model.depth, trial.seed) in self.kept


def losing_order(depths: Iterable[int], seeds: Sequence[int]) -> list[Unit]:
    """Units, the one that tells least first.

    Later seeds beyond the third; then whole depths, an inner one that is nearest to its neighbours first, down to four;
    then seeds down to one; then the other depths, the ends last.

    Args:
        seeds: in the order of the file, the last one losing first.
    """
    by_need = _least_needed(depths)
    spare = max(0, len(by_need) - DEPTHS)
    later, core = seeds[SEEDS:], seeds[:SEEDS]
    order = [(depth, seed) for seed in reversed(later) for depth in by_need]
    order += [(depth, seed) for depth in by_need[:spare] for seed in reversed(core)]
    order += [(depth, seed) for seed in reversed(core[1:]) for depth in by_need[spare:]]
    return order + [(depth, seed) for depth in by_need[spare:] for seed in core[:1]]


def _least_needed(depths: Iterable[int]) -> list[int]:
    """Depths, the one that leaves the smallest gap in log depth first; of the last two the deeper first."""
    left = sorted(set(depths))
    order = []
    while len(left) > 2:
        gaps = [math.log(left[i + 1] / left[i - 1]) for i in range(1, len(left) - 1)]
        order.append(left.pop(1 + gaps.index(min(gaps))))
    return order + left[::-1]


def fit(
    sweep: SweepSpec,
    missing: Iterable[TrialSpec],
    seconds: Callable[[TrialSpec], float],
    budget: Budget,
    concurrency: int = 1,
) -> BudgetFit:
    """What of a fixed or tuned sweep fits.

    Args:
        missing: trials that are known and not finished. Of a tuned sweep the tuned finals, which are not known yet, are
            counted like the default setting's.
        seconds: estimated time of a trial.
        concurrency: trials at once.
    """
    cost, count = _costs(sweep, list(missing), seconds)
    order = losing_order({cell.model.depth for cell in sweep.cells}, sweep.seeds)
    kept, lost = set(cost), []

    def spent() -> tuple[float, int]:
        return sum(cost[u] for u in kept) / max(1, concurrency), sum(count[u] for u in kept)

    def fits() -> bool:
        wall, trials = spent()
        return (budget.seconds is None or wall <= budget.seconds) and (budget.trials is None or trials <= budget.trials)

    for unit in order:
        if fits():
            break
        if unit in kept and count[unit]:
            kept.remove(unit)
            lost.append(unit)
    return BudgetFit(
        budget, frozenset(kept), tuple(lost), *spent(), _extension_trials(sweep, {depth for depth, _ in kept})
    )


def _costs(
    sweep: SweepSpec, missing: Sequence[TrialSpec], seconds: Callable[[TrialSpec], float]
) -> tuple[dict[Unit, float], Mapping[Unit, int]]:
    """Seconds and trials of each unit. Tuning belongs to a depth's first seed, which is the last that it loses."""
    cost = {(cell.model.depth, seed): 0.0 for cell in sweep.cells for seed in sweep.seeds}
    count = dict.fromkeys(cost, 0)
    tuned_known = {(t.model, t.seed) for t in missing if t.setting == "tuned"}
    for trial in missing:
        unit = (trial.model.depth, sweep.seeds[0] if trial.phase == "tune" else trial.seed)
        twins = 1
        if sweep.tune is not None and trial.setting == "default" and (trial.model, trial.seed) not in tuned_known:
            twins = 2
        cost[unit] += twins * seconds(trial)
        count[unit] += twins
    if sweep.tune is not None and sweep.tune.sampler != "sobol":
        for cell in sweep.cells:  # its points are not known beforehand
            unit, points = (cell.model.depth, sweep.seeds[0]), sweep.tune.trials * len(sweep.tune.seeds)
            cost[unit] += points * seconds(cell)
            count[unit] += points
    return cost, count


def _extension_trials(sweep: SweepSpec, depths: Collection[int]) -> int:
    """Trials that one widened side of a range would add to the cells of some depths."""
    if sweep.tune is None or not sweep.tune.extensions:
        return 0
    return extra_points(sweep.tune) * len(sweep.tune.seeds) * sum(c.model.depth in depths for c in sweep.cells)
