"""C12: a network with skips generalizes better than its plain twin at the deepest depth.

One part: mean difference of test accuracy, skip less plain, over the cells.
"""

from skipray.claims import Comparison, Finding, SweepData, finding, mean_over_cells, untested
from skipray.claims.judging.data import NOTHING_RIGHT

ID = "C12"
SOURCE = "He et al. 2016"
ROLES = ("plain", "skip")
NEEDS = ("test.accuracy",)
TRAINS = True
MARGIN = 0.01


def judge(data: SweepData) -> Finding:
    plain, skip = data.name("plain"), data.name("skip")
    statement = f"{skip} generalizes better than {plain}"
    pairs = data.pairs("test.accuracy", "skip", "plain", diverged={"skip": NOTHING_RIGHT})
    if pairs.empty:
        what = f"Run {plain.lower()} and {skip.lower()} at the same depths and seeds."
        return untested(statement, what, "no pairs with test.accuracy")
    estimate = mean_over_cells(pairs["difference"].to_numpy(), pairs["cell"].to_numpy(), pairs["seed"].to_numpy())
    if estimate is None:
        return untested(statement, "Run at least two shared seeds.", "fewer than two shared seeds")
    part = Comparison(
        f"test accuracy of {skip} less {plain}", estimate, "accuracy", f"{skip} is better", f"{skip} is not better",
        MARGIN,
    )  # fmt: skip
    words = f"{estimate.effect:+.2g} of test accuracy"
    return finding(
        statement, [part], pairs["seed"], pairs["depth"],
        supported=f"{skip} generalizes better: {words}.", refuted=f"{skip} does not generalize better: {words}.",
        open=f"Whether {skip} generalizes better is open: {words}.", facts=words,
    )  # fmt: skip
