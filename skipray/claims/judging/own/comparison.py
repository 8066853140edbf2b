"""A declared comparison: one family's metric against another's, twins paired by depth, seed and factors."""

import pandas as pd

from skipray.claims.judging.claim import Comparison, Finding, finding, untested
from skipray.claims.judging.data import SweepData, diverged_remark
from skipray.claims.judging.either_way import either_way, spread, ways
from skipray.claims.judging.estimates import censored_mean, difference_within
from skipray.claims.judging.evidence import Mean
from skipray.claims.judging.own._metrics import ACCURACIES, counted_as, missing
from skipray.claims.judging.unpaired import unpaired
from skipray.spec.claims import ComparisonClaim
from skipray.wording import counted


def judge(claim: ComparisonClaim, data: SweepData) -> Finding:
    """Effect: the mean difference over depths, clustered by seed, in the metric's own units."""
    name, than = data.name(claim.family), data.name(claim.than)
    by = {"above": "above by more than", "below": "below by more than", "within": "within"}[claim.direction]
    size = f", {by} {claim.margin:g}" if claim.margin else ""
    relation = "alike in" if claim.direction == "within" else claim.direction
    made = (
        f"{claim.metric}: {name} and {than} are alike{size}"
        if claim.direction == "within"
        else f"{claim.metric}: {name} {relation} {than}{size}"
    )
    statement = claim.statement or made
    what = f"Run {claim.family} and {claim.than} at the same depths with two or more shared seeds."
    absent = missing(data, claim.metric)
    if absent:
        return untested(statement, what, absent)
    good = {"above": claim.family, "below": claim.than}.get(claim.direction, "")
    treated = ways(data, counted_as(claim.metric), claim.family, claim.than, good)
    compared = [data.pairs(claim.metric, claim.family, claim.than, diverged=way) for way in treated]
    pairs = compared[0]
    told, *others = (_mean(one, claim.metric) for one in compared)
    if told is None:
        return untested(statement, what, _lacking(data, claim, pairs))
    estimate = either_way(told, others, claim.direction)
    difference = f"{told.at}{told.effect:+.3g} in {claim.metric}"
    words = f"{name} less {than}: {difference}, {counted(len(pairs), 'pair')}{spread(estimate)}"
    part = Comparison(
        f"{claim.metric} of {name} less {than}'s", estimate, "", "the difference is as claimed",
        "the difference is not as claimed", -claim.margin if claim.direction == "below" else claim.margin,
        claim.direction,
    )  # fmt: skip
    return finding(
        statement, [part], pairs["seed"], pairs["depth"],
        supported=f"As claimed: {words}.", refuted=f"Not as claimed: {words}.", open=f"Open: {words}.", facts=words,
        remark=diverged_remark(data.of(claim.family, claim.than), _counted(claim)),
    )  # fmt: skip


def _mean(pairs: pd.DataFrame, metric: str) -> Mean | None:
    mean = censored_mean(pairs, "difference") if len(pairs) else None
    return None if mean is None else difference_within(mean, metric)


def _lacking(data: SweepData, claim: ComparisonClaim, pairs: pd.DataFrame) -> str:
    """Why there is nothing to compare."""
    if len(pairs):
        count = counted(len(pairs), "pair")
        if pairs.groupby("cell")["seed"].nunique().max() < 2:
            return f"{count} of twins, and no two of one depth: nothing tells how far seeds differ"
        return f"{count} of twins, with bounds to both sides alone"
    blind = pairs.attrs["uninformative"]
    if blind:
        return f"{counted(blind, 'pair')} of twins, each beyond the same bound: their difference is not known"
    return f"0 pairs of twins with {claim.metric}{unpaired(data, claim.family, claim.than)}"


def _counted(claim: ComparisonClaim) -> str:
    good = {"above": claim.family, "below": claim.than}.get(claim.direction)
    if good is None or claim.metric not in ACCURACIES:
        return "they are left out, with their twins"
    return f"those of {good.rpartition(':')[2]} count as all wrong, the others are left out with their twins"
