"""C1b: the train error of networks with skips does not rise with depth.

Parts, one for each family that trains at the shallowest depth (another's error cannot rise): the largest rise of its
train error from the shallowest depth to any other, seed by seed, in percentage points. A diverged network has a train
error of 100 %. How often networks may collapse without any having done so among these seeds is said beside it: no
interval knows of what it has not seen.
"""

import pandas as pd

from skipray.claims.judging.between import Largest, elsewhere, until_between
from skipray.claims.judging.change import change_of
from skipray.claims.judging.claim import PAPER_SOURCE, Comparison, Finding, finding, untested
from skipray.claims.judging.data import NOTHING_RIGHT, SweepData, diverged_remark
from skipray.claims.judging.estimates import difference_within
from skipray.claims.judging.evidence import excluded_rate

ID = "C1b"
SOURCE = PAPER_SOURCE
ROLES = ("skip", "aggregated")
NEEDS = ("train.accuracy",)
TRAINS = True
MARGIN = 1.0
"""Percentage points of train error over the depths tried: He et al. 2015 (Table 2, Fig. 4) call a rise of this size
degradation; run-to-run noise of a trained network is well below it."""


def judge(data: SweepData) -> Finding:
    statement = f"{data.both_twins()} train error does not rise with depth"
    parts: list[Comparison] = []
    used: list[pd.DataFrame] = []
    words: list[str] = []
    vacuous: list[str] = []
    counted = "their train error counts as 100 %"
    for role in data.twins:
        table = data.measured("train.accuracy", data.of(role), diverged=NOTHING_RIGHT)
        change = change_of(table.assign(value=100.0 * (1.0 - table["value"])), data.strata(table))
        if change.mean is None:
            continue
        shallowest = change.rows[change.rows["depth"] == change.rows["depth"].min()]
        if not (shallowest["outcome"] == "trained").any():
            vacuous.append(
                f"no {data.name(role)} of depth {shallowest['depth'].iloc[0]:.0f} trains, which leaves no rise"
            )
            continue
        lost = data.of(role)["outcome"] == "diverged"
        if not lost[lost].index.isin(change.rows.index).all():
            counted = "their train error counts as 100 %, and is left out at the shallowest depth"
        rise = difference_within(change.mean, "train.accuracy", 100.0)
        between = until_between(change, "train.accuracy", 100.0)
        name = data.name(role)
        parts.append(
            Comparison(
                f"largest rise of {name}'s train error from its shallowest depth on", Largest(rise, between), "points",
                f"{name}'s train error does not rise", f"{name}'s train error rises", MARGIN, "below",
            )
        )  # fmt: skip
        used.append(change.rows)
        line = f"{change.along_a_line:+.2g}"
        told = f"{change.ends} (along a line {line}{elsewhere(between, rise.effect, MARGIN)})"
        words.append(f"{name} {rise.effect:+.2g} points {told}, {_good(change.rows)}")
    if not parts and vacuous:
        return untested(statement, "Train shallower networks, or with another recipe.", "; ".join(vacuous))
    if not parts:
        names = " or ".join(data.name(r).lower() for r in ROLES)
        return untested(
            statement, f"Train {names} at two or more depths with two or more seeds.",
            "no train accuracy of a residual family at two depths and two seeds",
        )  # fmt: skip
    rows, told = pd.concat(used), "; ".join([*words, *vacuous])
    return finding(
        statement, parts, rows["seed"], rows["depth"],
        supported=f"Train error does not rise with depth by {MARGIN:g} point: {told}.",
        refuted=f"Train error rises with depth here: {told}.",
        open=f"Whether train error rises with depth is open: {told}.",
        facts=told,
        remark=diverged_remark(data.of(*ROLES), counted),
    )  # fmt: skip


def _good(table: pd.DataFrame) -> str:
    """What the runs at the deepest depth say of collapses: of all settings of other factors, seed by seed where all of
    them train."""
    deepest = table[table["depth"] == table["depth"].max()]
    trained = deepest["outcome"] == "trained"
    if not trained.all():
        runs = "seeds" if not deepest["seed"].duplicated().any() else "runs"
        return f"{int((~trained).sum())} of {len(trained)} {runs} do not train there"
    seeds = deepest["seed"].nunique()
    good = f"{seeds} of {seeds} good runs" if len(trained) == seeds else f"{len(trained)} good runs of {seeds} seeds"
    return f"{good} there exclude a collapse rate above {100 * excluded_rate(seeds):.0f} % (at 97.5 %)"
