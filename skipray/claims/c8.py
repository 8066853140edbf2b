"""C8: test accuracy of networks with aggregated transformations above their twins'.

Part: percentage points, paired by depth, seed and factors. The paper reports 0.36, 0.92 and 1.16 points. A diverged
aggregated network has a test accuracy of 0; pairs with a diverged skip network are left out.
"""

import pandas as pd

from skipray.claims.judging.claim import PAPER_SOURCE, Comparison, Finding, finding, untested
from skipray.claims.judging.data import NOTHING_RIGHT, SweepData, diverged_remark
from skipray.claims.judging.either_way import either_way, spread, ways
from skipray.claims.judging.estimates import difference_within, mean_of
from skipray.claims.judging.evidence import Mean
from skipray.claims.judging.unpaired import unpaired

ID = "C8"
SOURCE = PAPER_SOURCE
ROLES = ("skip", "aggregated")
NEEDS = ("test.accuracy",)
TRAINS = True
MARGIN = 0.0
ENOUGH_SEEDS = 5
"""The paper's differences are as small as the spread between seeds."""


def judge(data: SweepData) -> Finding:
    skip, aggregated = (data.name(role) for role in ROLES)
    statement = f"Test accuracy: {aggregated} above {skip}"
    counted = ways(data, NOTHING_RIGHT, "aggregated", "skip", "aggregated")
    compared = [data.pairs("test.accuracy", "aggregated", "skip", diverged=way) for way in counted]
    pairs = compared[0]
    seeds = pairs["seed"].nunique() if len(pairs) else 0
    if seeds < ENOUGH_SEEDS:
        names = f"{skip.lower()} and {aggregated.lower()}"
        what = f"Run {names} at the same depths with at least {ENOUGH_SEEDS} seeds."
        return untested(statement, what, f"{seeds} shared seeds{unpaired(data, 'aggregated', 'skip')}")
    estimate, *others = map(_points, compared)
    if estimate is None:
        return untested(statement, "Run at least two seeds at one depth.", "no two shared seeds at one depth")
    evidence = either_way(estimate, others, "above")
    words = f"{estimate.effect:+.2g} points{spread(evidence)}"
    part = Comparison(
        f"{aggregated} above {skip}", evidence, "points", f"{aggregated} is above {skip}",
        f"{aggregated} is not above {skip}", MARGIN,
    )  # fmt: skip
    return finding(
        statement, [part], pairs["seed"], pairs["depth"],
        supported=f"{aggregated} generalizes better than {skip} ({words}).",
        refuted=f"{aggregated} does not generalize better than {skip} ({words}).",
        open=f"{aggregated} and {skip} cannot be told apart in test accuracy ({words}).",
        facts=words,
        remark=diverged_remark(data.of(*ROLES), f"{aggregated}s count as all wrong, {skip}s are left out"),
    )  # fmt: skip


def _points(pairs: pd.DataFrame) -> Mean | None:
    """The mean lead in percentage points."""
    mean = mean_of(pairs.assign(difference=100.0 * pairs["difference"]), "difference")
    return None if mean is None else difference_within(mean, "test.accuracy", 100.0)
