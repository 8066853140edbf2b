"""Claims about where training breaks: C1a, C1b, C11."""

import pandas as pd

from skipray.claims.data import NOTHING_RIGHT, PLAIN, TWINS, SweepData, combinations, diverged_remark
from skipray.claims.estimates import mean_over_cells, slope_over_depths
from skipray.claims.verdict import Claim, Part, decided, untested
from skipray.trends import trainability_limit, trainability_shift


def c1a(data: SweepData) -> Claim:
    """PlainNet's trainability limit lies below its twins'.

    Effect: doublings of depth that the twin trains further, over the depths tried (a lower bound where the twin never
    breaks), from one logistic regression of `trained` on ln(depth) for both: `trainability_shift`. Margin 0: the paper
    claims the order, not a size.
    """
    statement = "PlainNet's trainability limit lies below its twins'"
    twins = [t for t in TWINS if data.has(t)]
    if not data.has(PLAIN) or not twins:
        return untested(
            "C1a",
            statement,
            f"Run {PLAIN} and {' or '.join(TWINS)} at the same depths and seeds.",
            "no twins to compare",
        )
    trials = data.trials.assign(trained=data.trials["outcome"] == "trained", place=range(len(data.trials)))
    parts: list[Part] = []
    used: list[pd.DataFrame] = []
    for twin in twins:
        plain, other = trials[trials["architecture"] == PLAIN], trials[trials["architecture"] == twin]
        shared = [f for f in data.factors if plain[f].notna().all() and other[f].notna().all()]
        keys = ["depth", "seed", *shared]
        plain = plain.merge(other[keys].drop_duplicates(), on=keys)
        other = other.merge(plain[keys].drop_duplicates(), on=keys)
        if plain["depth"].nunique() < 2 or plain["seed"].nunique() < 2:
            continue
        both = pd.concat([plain, other])
        shift = trainability_shift(
            both["depth"],
            both["trained"],
            both["architecture"] == twin,
            cell=combinations(both, shared),
            group=both["seed"],
        )
        label = f"{twin} beyond {PLAIN}"
        parts.append(Part(label, shift.doublings, "doublings of depth", shift.low, shift.high, shift.p, 0.0))
        used.append(both)
    if not parts:
        return untested(
            "C1a",
            statement,
            "Run at least two depths with at least two shared seeds.",
            "fewer than two seeds or depths",
        )
    rows = pd.concat(used).drop_duplicates("place")  # plain networks are compared with each twin
    kept = [a for a in [PLAIN, *twins] if (rows["architecture"] == a).any()]
    words = ", ".join(f"{a} {_limit_words(rows[rows['architecture'] == a])}" for a in kept)
    return decided(
        "C1a", statement, parts, rows["seed"], rows["depth"],
        {
            "supported": f"PlainNet stops training at smaller depths than its twins ({words}).",
            "refuted": f"PlainNet does not stop training before its twins ({words}).",
            "inconclusive": f"The limits cannot be told apart yet ({words}); deeper networks or more seeds would tell.",
        },
    )  # fmt: skip


def _limit_words(table: pd.DataFrame) -> str:
    limit = trainability_limit(table["depth"], table["trained"], group=table["seed"])
    if limit.censored == "above":
        return f"beyond {table['depth'].max():.0f}"
    if limit.censored == "below":
        return f"below {table['depth'].min():.0f}"
    return "at no depth that could be given" if limit.depth is None else f"about {limit.depth:.0f} layers"


RISE_MARGIN_POINTS = 1.0
"""Percentage points of train error over the depths tried: He et al. 2015 (Table 2, Fig. 4) call a rise of this size
degradation; run-to-run noise of a trained network is well below it."""


def c1b(data: SweepData) -> Claim:
    """ResNet's and ResNeXt's train error does not rise with depth.

    Effect: rise of train error from the shallowest to the deepest depth along a line in log depth fitted seed by seed,
    in percentage points. Supported when a rise of RISE_MARGIN_POINTS is excluded, refuted when the rise surely exceeds
    it. A diverged network has a train error of 100 %.
    """
    statement = "ResNet's and ResNeXt's train error does not rise with depth"
    parts: list[Part] = []
    used: list[pd.DataFrame] = []
    for family in TWINS:
        table = data.measured("train.accuracy", data.of(family), diverged=NOTHING_RIGHT)
        if table.empty or table["depth"].nunique() < 2:
            continue
        estimate = slope_over_depths(
            table.assign(value=100.0 * (1.0 - table["value"])), data.cells(table.assign(depth=0))
        )
        if estimate is not None:
            parts.append(estimate.part(f"rise of {family}'s train error", "points", RISE_MARGIN_POINTS, "below"))
            used.append(table)
    if not parts:
        return untested(
            "C1b", statement, "Train resnet or resnext at two or more depths with two or more seeds.",
            "no train accuracy of a residual family at two depths and two seeds",
        )  # fmt: skip
    rows = pd.concat(used)
    worst = max(parts, key=lambda q: q.effect)
    way = "up" if worst.effect >= 0 else "down"
    words = f"{abs(worst.effect):.2g} points {way} over the depths tried ({worst.label.split()[2]})"
    return decided(
        "C1b", statement, parts, rows["seed"], rows["depth"],
        {
            "supported": f"The residual networks' train error does not rise with depth: at worst {words}.",
            "refuted": f"The train error of residual networks rises with depth here: {words}.",
            "inconclusive": f"Whether the residual networks' train error rises is open: {words}.",
        },
        remark=diverged_remark(data.of(*TWINS), "their train error counts as 100 %"),
    )  # fmt: skip


LAG_MARGIN_POINTS = 0.0
"""The paper (section VII) says that these networks lag, not by how much."""


def c11(data: SweepData) -> Claim:
    """Dirac and delta-orthogonal PlainNets train, but lag the residual networks.

    Parts: more than half of these PlainNets train (share of trials against 0.5); the residual twin's test accuracy is
    higher (percentage points against LAG_MARGIN_POINTS, same depth and seed, whatever the twin's initialisation). A
    diverged PlainNet does not train, and does not lag; a diverged twin has a test accuracy of 0.
    """
    statement = "Dirac / delta-orthogonal PlainNets train, but lag the residual networks"
    what = "Run plainnet with initialisation dirac or delta_orthogonal, and resnet, at the same depths and seeds."
    column = next((c for c in ("initialisation", "model.initialisation") if c in data.trials.columns), None)
    if column is None:
        return untested("C11", statement, what, "the initialisation was not tracked")
    plain = data.of(PLAIN)
    plain = plain[plain[column].isin(["dirac", "delta_orthogonal"])]
    residual = data.measured("test.accuracy", data.of("resnet"), diverged=NOTHING_RIGHT)
    if plain.empty or residual.empty:
        return untested("C11", statement, what, "no such PlainNets, or no resnet with a test accuracy")
    share = mean_over_cells(
        (plain["outcome"] == "trained").to_numpy(dtype=float), data.cells(plain), plain["seed"].to_numpy()
    )
    mine = data.measured("test.accuracy", plain)
    twin = residual.groupby(["depth", "seed"], as_index=False)["value"].mean()
    both = mine.merge(twin, on=["depth", "seed"], suffixes=("_plain", "_twin"))
    lag = None
    if len(both):
        points = 100.0 * (both["value_twin"] - both["value_plain"]).to_numpy()
        lag = mean_over_cells(points, data.cells(both), both["seed"].to_numpy())
    if share is None or lag is None:
        return untested("C11", statement, f"{what} At least two seeds.", "fewer than two shared seeds")
    parts = [
        share.part("share of these PlainNets that train", "share", 0.5),
        lag.part("resnet's lead in test accuracy", "points", LAG_MARGIN_POINTS),
    ]
    words = f"{100 * share.mean:.0f} % train; resnet leads by {lag.mean:.2g} points"
    return decided(
        "C11", statement, parts, both["seed"], both["depth"],
        {
            "supported": f"Dirac or delta-orthogonal PlainNets train but lag: {words}.",
            "refuted": f"Dirac or delta-orthogonal PlainNets do not both train and lag: {words}.",
            "inconclusive": f"Whether these PlainNets train and lag is open: {words}.",
        },
        remark=diverged_remark(
            pd.concat([plain, data.of("resnet")]), "PlainNets count as not trained, resnets as all wrong"
        ),
    )  # fmt: skip
