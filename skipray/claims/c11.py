"""C11: Dirac and delta-orthogonal plain networks train, but lag the networks with skips.

Parts: more than half of these plain networks train, judged exactly over the seeds (six of six are the fewest that
show it); the skip twin's test accuracy is higher (percentage points, same depth and seed, whatever the twin's
initialisation). A diverged plain network does not train, and does not lag; a diverged twin has a test accuracy of 0.
"""

import pandas as pd

from skipray.claims.judging.claim import PAPER_SOURCE, Comparison, Finding, finding, untested
from skipray.claims.judging.data import NOTHING_RIGHT, DivergedValue, SweepData, diverged_remark
from skipray.claims.judging.either_way import either_way, spread
from skipray.claims.judging.estimates import difference_within, mean_of, share_of_seeds
from skipray.claims.judging.evidence import Mean

ID = "C11"
SOURCE = PAPER_SOURCE
ROLES = ("plain", "skip")
NEEDS = ("test.accuracy",)
TRAINS = True
MAJORITY = 0.5
MARGIN = 0.0
"""Points: the paper (section VII) says that these networks lag, not by how much."""


def judge(data: SweepData) -> Finding:
    plain_name, skip = (data.name(role) for role in ROLES)
    kinds = f"Dirac / delta-orthogonal {plain_name}s"
    statement = f"{kinds} train, but lag {skip}"
    what = (
        f"Run {plain_name.lower()} with initialisation dirac or delta_orthogonal, and {skip.lower()}, at the same "
        "depths and seeds."
    )
    column = next((c for c in ("initialisation", "model.initialisation") if c in data.trials.columns), None)
    if column is None:
        return untested(statement, what, "the initialisation was not tracked")
    plain = data.of("plain")
    plain = plain[plain[column].isin(["dirac", "delta_orthogonal"])]
    twins = data.measured("test.accuracy", data.of("skip"), diverged=NOTHING_RIGHT)
    if plain.empty or twins.empty:
        return untested(statement, what, f"no such {plain_name}s, or no {skip} with a test accuracy")
    share = share_of_seeds(
        (plain["outcome"] == "trained").to_numpy(dtype=float), data.cells(plain), plain["seed"].to_numpy()
    )
    lost = [(None, NOTHING_RIGHT), (NOTHING_RIGHT, NOTHING_RIGHT)]
    compared = [_paired(data, plain, *way) for way in lost]
    both = compared[0]
    lag, *others = map(_lead, compared)
    if share is None or lag is None:
        return untested(statement, f"{what} At least two seeds.", "fewer than two shared seeds")
    lead = either_way(lag, others, "above")
    parts = [
        Comparison(
            f"share of these {plain_name}s that train", share, f"of {share.count} seeds", "they train",
            "they do not train", MAJORITY,
        ),
        Comparison(
            f"{skip}'s lead in test accuracy", lead, "points", f"they lag {skip}", f"they do not lag {skip}", MARGIN
        ),
    ]  # fmt: skip
    way = "leads" if lag.effect >= 0 else "lags"
    words = f"{100 * share.effect:.0f} % train over {share.count} seeds; {skip} {way} by {abs(lag.effect):.2g} points"
    words += spread(lead)
    return finding(
        statement, parts, both["seed"], both["depth"],
        supported=f"{kinds} train but lag: {words}.",
        refuted=f"{kinds} do not both train and lag: {words}.",
        open=f"Whether {kinds} train and lag is open: {words}.",
        facts=words,
        remark=diverged_remark(
            pd.concat([plain, data.of("skip")]), f"{plain_name}s count as not trained, {skip}s as all wrong"
        ),
    )  # fmt: skip


def _paired(
    data: SweepData, plain: pd.DataFrame, lost: DivergedValue | None, lost_twin: DivergedValue | None
) -> pd.DataFrame:
    """These plain networks with the mean of their twins of the same depth and seed: `lead` in points, and `cell`."""
    mine = data.measured("test.accuracy", plain, diverged=lost)
    theirs = data.measured("test.accuracy", data.of("skip"), diverged=lost_twin)
    twin = theirs.groupby(["depth", "seed"], as_index=False)["value"].mean()
    both = mine.merge(twin, on=["depth", "seed"], suffixes=("_plain", "_twin"))
    return both.assign(lead=100.0 * (both["value_twin"] - both["value_plain"]), cell=data.cells(both))


def _lead(both: pd.DataFrame) -> Mean | None:
    mean = mean_of(both, "lead")
    return None if mean is None else difference_within(mean, "test.accuracy", 100.0)
