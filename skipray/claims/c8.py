"""C8: test accuracy of networks with aggregated transformations above their twins'.

Part: percentage points, paired by depth, seed and factors. The paper reports 0.36, 0.92 and 1.16 points. A diverged
aggregated network has a test accuracy of 0; pairs with a diverged skip network are left out.
"""

from skipray.claims.judging.claim import PAPER_SOURCE, Comparison, Finding, finding, untested
from skipray.claims.judging.data import NOTHING_RIGHT, SweepData, diverged_remark
from skipray.claims.judging.estimates import difference_within, mean_over_cells
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
    pairs = data.pairs("test.accuracy", "aggregated", "skip", diverged={"aggregated": NOTHING_RIGHT})
    seeds = pairs["seed"].nunique() if len(pairs) else 0
    if seeds < ENOUGH_SEEDS:
        names = f"{skip.lower()} and {aggregated.lower()}"
        what = f"Run {names} at the same depths with at least {ENOUGH_SEEDS} seeds."
        return untested(statement, what, f"{seeds} shared seeds{unpaired(data, 'aggregated', 'skip')}")
    points = 100.0 * pairs["difference"].to_numpy(dtype=float)
    estimate = mean_over_cells(points, pairs["cell"].to_numpy(), pairs["seed"].to_numpy())
    assert estimate is not None
    estimate = difference_within(estimate, "test.accuracy", 100.0)
    words = f"{estimate.effect:+.2g} points"
    part = Comparison(
        f"{aggregated} above {skip}", estimate, "points", f"{aggregated} is above {skip}",
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
