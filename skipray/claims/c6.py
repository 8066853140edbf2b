"""C6: kappa(W) of a plain network far above its twin's with skips, about equal to the aggregated one's.

Parts, median over layers, twins paired: plain above skip; plain far above skip (FAR), which is refuted where plain is
not above it at all; plain within EQUAL of aggregated, which is refuted where they are surely FAR apart.
"""

import pandas as pd

from skipray.claims.judging.claim import PAPER_SOURCE, Comparison, Finding, finding, untested
from skipray.claims.judging.data import LEFT_OUT, SweepData, diverged_remark, exploded_remark
from skipray.claims.judging.estimates import censored_mean
from skipray.claims.judging.evidence import Mean
from skipray.claims.judging.unpaired import unpaired

ID = "C6"
SOURCE = PAPER_SOURCE
ROLES = ("plain", "skip", "aggregated")
NEEDS = ("weight.log10_condition.median",)
TRAINS = False
FAR = 1.0
"""Decades; `far above`: at least tenfold, ours. The paper's Figs. 11 and 12 show several decades."""
EQUAL = 0.5
"""Decades; `about equal`: within a factor 3, ours."""


def judge(data: SweepData) -> Finding:
    plain, skip, aggregated = (data.name(role) for role in ROLES)
    statement = f"kappa(W): {plain} far above {skip}, about equal to {aggregated}"
    far, near = (data.pairs(NEEDS[0], "plain", twin) for twin in ("skip", "aggregated"))
    first = censored_mean(far, "difference") if len(far) else None
    second = censored_mean(near, "difference") if len(near) else None
    if first is None or second is None:
        names = f"{plain.lower()}, {skip.lower()} and {aggregated.lower()}"
        lacking = [twin for twin, pairs in (("skip", far), ("aggregated", near)) if pairs.empty]
        why = unpaired(data, "plain", lacking[0]) if lacking else ""
        return untested(
            statement, f"Run {names} at the same depths and seeds, with the probe on.",
            f"no pairs of twins with {NEEDS[0]} and two seeds{why}",
        )  # fmt: skip
    parts = [
        Comparison(
            f"{plain} above {skip}", first, "decades", f"{plain} is above {skip}", f"{plain} is not above {skip}"
        ),
        Comparison(
            f"{plain} far above {skip}", first, "decades", f"{plain} is far above {skip}",
            f"{plain} is not far above {skip}", FAR, "above", 0.0, f"{plain} is less than tenfold above {skip}",
        ),
        Comparison(
            f"{plain} above {aggregated}", second, "decades", f"{plain} is about equal to {aggregated}",
            f"{plain} and {aggregated} are far apart", EQUAL, "within", FAR,
            f"{plain} and {aggregated} differ by less than tenfold",
        ),
    ]  # fmt: skip
    words = f"{_away(first, skip)}, {_away(second, aggregated)}"
    rows = pd.concat([far, near])
    return finding(
        statement, parts, rows["seed"], rows["depth"],
        supported=f"{plain}'s weights are far worse conditioned than {skip}'s, and like {aggregated}'s ({words}).",
        refuted=f"The weights' condition numbers are not ordered as claimed: {plain} {words}.",
        open=f"The order of the weights' condition numbers is open: {plain} {words}.",
        facts=f"{plain} {words}",
        remark=diverged_remark(data.of(*ROLES), f"{LEFT_OUT}, with their twins") + exploded_remark(data.of(*ROLES)),
    )  # fmt: skip


def _away(decades: Mean, twin: str) -> str:
    return f"{decades.size_at}{abs(decades.effect):.2g} decades {'above' if decades.effect >= 0 else 'below'} {twin}"
