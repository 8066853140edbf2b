"""A declared trend: how a metric of a family changes from its shallowest depth to its deepest, seed by seed."""

import numpy as np

from skipray.claims.judging.claim import Comparison, Finding, Side, finding, untested
from skipray.claims.judging.data import SweepData, diverged_remark
from skipray.claims.judging.estimates import (
    change_over_depths,
    difference_within,
    line_over_depths,
    over_depths,
    without_diverged_start,
)
from skipray.claims.judging.own._metrics import diverged_as, missing, of_family
from skipray.spec.claims import TrendClaim

_WANTED: dict[str, Side] = {"rising": "above", "falling": "below", "flat": "within"}


def judge(claim: TrendClaim, data: SweepData) -> Finding:
    """Effect: the metric at the deepest depth less that at the shallowest, in its own units."""
    name = data.name(claim.family)
    size = f" by {'less' if claim.direction == 'flat' else 'more'} than {claim.margin:g}" if claim.margin else ""
    verb = {"rising": "rises", "falling": "falls", "flat": "changes"}[claim.direction]
    statement = claim.statement or f"{claim.metric} of {name} {verb}{size} with depth"
    lost = diverged_as(claim.metric, claim.direction != "falling")
    what = f"Run {claim.family} at two or more depths with two or more seeds."
    absent = missing(data, claim.metric)
    if absent:
        return untested(statement, what, absent)
    whole = of_family(data, claim.metric, claim.family, lost)
    table = without_diverged_start(whole, whole["stratum"].to_numpy()) if len(whole) else whole
    strata = table["stratum"].to_numpy() if len(table) else np.zeros(0)
    change = change_over_depths(table, strata) if len(table) else None
    bounds = int((table["censored"] != 0).sum())
    if change is None:
        known = f", or {bounds} values of which only a bound is known" if bounds else ""
        return untested(statement, what, f"fewer than two depths or seeds{known}")
    change = difference_within(change, claim.metric)
    line = "" if bounds else f" (along a line {line_over_depths(table, strata):+.3g})"
    words = f"{change.at}{change.effect:+.3g} {over_depths(table, strata)}{line}"
    words += f"; {bounds} values are bounds" if bounds else ""
    part = Comparison(
        f"change of {claim.metric} of {name}", change, "", "it changes as claimed", "it does not change as claimed",
        -claim.margin if claim.direction == "falling" else claim.margin, _WANTED[claim.direction],
    )  # fmt: skip
    counted = "they count as all wrong" if lost else "they are left out"
    if len(table) < len(whole):
        counted += ", and are left out at the shallowest depth"
    return finding(
        statement, [part], table["seed"], table["depth"],
        supported=f"As claimed: {words}.", refuted=f"Not as claimed: {words}.", open=f"Open: {words}.", facts=words,
        remark=diverged_remark(data.of(claim.family), counted),
    )  # fmt: skip
