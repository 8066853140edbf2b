"""A declared correlation: Kendall's tau of two metrics over the runs that trained."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from skipray.association import granulated_tau
from skipray.claims.c9 import evidence
from skipray.claims.judging.claim import Comparison, Finding, finding, untested
from skipray.claims.judging.data import SweepData, combinations
from skipray.claims.judging.own._metrics import missing
from skipray.spec.claims import CorrelationClaim
from skipray.wording import counted


def judge(claim: CorrelationClaim, data: SweepData) -> Finding:
    """Effect: tau-b, its interval by the jackknife over seeds. Values beyond what can be measured rank last, alike."""
    within = f" within {' and '.join(claim.strata)}" if claim.strata else ""
    way = "with" if claim.direction == "positive" else "against"
    size = f" (tau beyond {claim.margin:g})" if claim.margin else ""
    statement = claim.statement or f"{claim.metric} goes {way} {claim.other}{within}{size}"
    what = "Run it with two or more seeds, at depths where networks train."
    absent = missing(data, claim.metric, claim.other)
    if absent:
        return untested(statement, what, absent)
    table = data.measured(claim.metric, data.trials[data.trials["outcome"] == "trained"])
    second = data.measured(claim.other, table.drop(columns=["value", "censored"]))
    table = table.loc[second.index]
    strata = combinations(table, list(claim.strata)) if claim.strata and len(table) else None
    tau = (
        granulated_tau(
            _ranked(table["value"], table["censored"]), _ranked(second["value"], second["censored"]),
            strata=strata, seed=table["seed"].to_numpy(),
        )
        if len(table)
        else None
    )  # fmt: skip
    if tau is None:
        return untested(statement, *_lacking(claim, table, what))
    words = f"tau {tau.tau:.2f} over {len(table)} trained runs{within}"
    positive = claim.direction == "positive"
    part = Comparison(
        f"Kendall's tau of {claim.metric} and {claim.other}", evidence(tau), "tau", "they go together as claimed",
        "they do not go together as claimed", claim.margin if positive else -claim.margin,
        "above" if positive else "below",
    )  # fmt: skip
    return finding(
        statement, [part], table["seed"], table["depth"],
        supported=f"As claimed: {words}.", refuted=f"Not as claimed: {words}.", open=f"Open: {words}.", facts=words,
    )  # fmt: skip


def _ranked(value: ArrayLike, censored: ArrayLike) -> np.ndarray:
    """Values with those beyond a bound last, all alike."""
    number, sign = np.asarray(value, dtype=float), np.asarray(censored)
    out = np.where(sign > 0, number.max() + 1, number)
    return np.where(sign < 0, number.min() - 1, out)


def _lacking(claim: CorrelationClaim, table: pd.DataFrame, what: str) -> tuple[str, str]:
    """What to run, and why there is no tau, whose error leaves out one seed at a time, and needs pairs in the rest."""
    runs = f"{counted(len(table), 'trained run')} with both"
    seeds = table["seed"].nunique()
    if seeds < 2:
        return what, f"{runs}, of {counted(seeds, 'seed')}"
    strata = list(claim.strata)
    if strata and seeds == 2 and table.groupby(strata)["seed"].value_counts().max() == 1:
        within = " and ".join(strata)
        return what.replace("two or more", "three or more"), f"{runs}: without one of two seeds no pair within {within}"
    return what, f"{runs}, of which no two that could be compared differ in both"
