"""C1a: a plain network's trainability limit lies below its twins'.

Parts, one for each twin: doublings of depth that the twin trains further, over the depths tried (a lower bound where
the twin never breaks), from one logistic regression of `trained` on ln(depth) for all trials of both families, with a
limit for each combination of factors that both have (`skipray.trends.trainability_shift`).
"""

import pandas as pd

from skipray.claims.judging.claim import PAPER_SOURCE, Comparison, Finding, finding, untested
from skipray.claims.judging.data import SweepData
from skipray.claims.judging.evidence import Lead
from skipray.claims.judging.lead import NoLead, lead_of
from skipray.trends import Limit, trainability_limit

ID = "C1a"
SOURCE = PAPER_SOURCE
ROLES = ("plain", "skip", "aggregated")
NEEDS = ("train.accuracy",)
TRAINS = True
MARGIN = 0.0
"""Doublings: the paper claims the order, not a size."""


def judge(data: SweepData) -> Finding:
    plain_name = data.name("plain")
    statement = f"{plain_name}'s trainability limit lies below its twins'"
    if not data.has("plain") or not data.twins:
        names = " or ".join(data.family(r) or data.name(r).lower() for r in ("skip", "aggregated"))
        what = f"Run {data.family('plain') or 'a plain family'} and {names} at the same depths and seeds."
        return untested(statement, what, "no twins to compare")
    parts: list[Comparison] = []
    used: list[pd.DataFrame] = []
    lacking: list[NoLead] = []
    for twin in data.twins:
        found = lead_of(data, "plain", twin)
        if isinstance(found, NoLead):
            lacking.append(found)
            continue
        name = data.name(twin)
        parts.append(
            Comparison(
                f"{name} beyond {plain_name}", Lead(found.shift), "doublings of depth", f"{name} trains deeper",
                f"{name} does not train deeper", MARGIN,
            )
        )  # fmt: skip
        used.append(found.trials)
    if not parts:
        what = lacking[0].what_to_run or "Run at least two depths with at least two seeds."
        return untested(statement, what, lacking[0].why)
    rows = pd.concat(used)
    rows = rows[~rows.index.duplicated()]  # plain networks are compared with each twin
    tables = {role: rows[rows["architecture"] == data.family(role)] for role in ("plain", *data.twins)}
    limits = {
        role: trainability_limit(own["depth"], own["trained"], seed=own["seed"])
        for role, own in tables.items()
        if len(own)
    }
    words = "; ".join(f"{data.name(role)} {_limit_words(tables[role], limit)}" for role, limit in limits.items())
    beyond = {limit.censored for limit in limits.values()}
    more = [told for side, told in (("above", "deeper networks"), ("below", "shallower ones")) if side in beyond]
    return finding(
        statement, parts, rows["seed"], rows["depth"],
        supported=f"{plain_name} stops training at smaller depths than its twins ({words}).",
        refuted=f"{plain_name} does not stop training before its twins ({words}).",
        open=f"The limits cannot be told apart yet ({words}); {' or '.join([*more, 'more seeds'])} would tell.",
        facts=words,
        remark="".join(f" {one.why[0].upper()}{one.why[1:]}." for one in lacking),
    )  # fmt: skip


def _limit_words(table: pd.DataFrame, limit: Limit) -> str:
    if limit.depth is not None:
        return f"near depth {limit.depth:.0f}"
    if limit.censored == "none":
        return "at no depth that could be given"
    # What lies beyond what was tried is told by what was seen there.
    end = table["depth"].max() if limit.censored == "above" else table["depth"].min()
    there = table.loc[table["depth"] == end, "trained"]
    return f"{'beyond' if limit.censored == 'above' else 'below'} {end:.0f}, where {there.sum()} of {len(there)} train"
