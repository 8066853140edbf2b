"""C7: kappa(H) of networks with aggregated transformations below their twins' at matched parameters; it falls with
cardinality.

Parts: decades that the median layer of `skip` lies above that of `aggregated`, paired; where the cardinality varies,
the fall with each of its doublings. Pairs whose `model.parameters` differ by more than MATCHED are left out. A
diverged aggregated network's kappa lies beyond float32's precision; pairs with a diverged skip network are left out.
"""

import numpy as np
import pandas as pd

from skipray.claims.judging.claim import PAPER_SOURCE, Comparison, Finding, finding, untested
from skipray.claims.judging.data import BEYOND_PRECISION, CONDITION, SweepData, diverged_remark, exploded_remark
from skipray.claims.judging.either_way import either_way, spread, ways
from skipray.claims.judging.estimates import censored_mean, mean_of
from skipray.claims.judging.evidence import Mean
from skipray.claims.judging.unpaired import unpaired

ID = "C7"
SOURCE = PAPER_SOURCE
ROLES = ("skip", "aggregated")
NEEDS = (CONDITION, "model.parameters")
TRAINS = False
MARGIN = 0.0
"""Decades: the paper claims the order."""
MATCHED = 0.1
"""Twins count as matched when their parameter counts differ by at most a tenth; the paper's own differ by 5 % (2.48 and
2.60 million)."""


def judge(data: SweepData) -> Finding:
    skip, aggregated = (data.name(role) for role in ROLES)
    statement = f"kappa(H): {aggregated} below {skip} at matched parameters; falls with cardinality"
    counted = ways(data, BEYOND_PRECISION, "skip", "aggregated", "aggregated")
    compared = [data.pairs(CONDITION, "skip", "aggregated", diverged=way) for way in counted]
    pairs = compared[0]
    if pairs.empty:
        return untested(
            statement, f"Run {skip.lower()} and {aggregated.lower()} at the same depths and seeds, with the probe on.",
            f"no pairs with {CONDITION}{unpaired(data, 'skip', 'aggregated')}",
        )  # fmt: skip
    note = "Parameter counts were not tracked: whether the twins match is not known."
    if "model.parameters_first" in pairs.columns:
        ratio = (pairs["model.parameters_second"] / pairs["model.parameters_first"]).astype(float)
        matched = _matched(pairs)
        note = f"{len(matched)} of {len(pairs)} pairs have parameter counts within {100 * MATCHED:.0f} %."
        if matched.empty:
            return untested(
                statement,
                f"Choose {aggregated.lower()}'s cardinality and group_width (or {skip.lower()}'s width) so that "
                f"parameters match within {100 * MATCHED:.0f} %: here {aggregated.lower()} has {ratio.median():.2f} "
                f"times {skip.lower()}'s.",
                note,
            )
        compared = [_matched(one) for one in compared]
        pairs = matched
    estimate, *others = (censored_mean(one, "difference") for one in compared)
    if estimate is None:
        return untested(statement, "Run at least two shared seeds.", "fewer than two shared seeds")
    size = f"{estimate.size_at}{abs(estimate.effect):.2g}"
    evidence = either_way(estimate, others, "above")
    words = f"{size} decades {'below' if estimate.effect > 0 else 'above'} {skip}'s{spread(evidence).replace(';', ',')}"
    parts = [
        Comparison(
            f"{skip} above {aggregated}", evidence, "decades", f"{aggregated}'s kappa is below {skip}'s",
            f"{aggregated}'s kappa is not below {skip}'s", MARGIN,
        )
    ]  # fmt: skip
    cardinality = _fall_with_cardinality(data)
    if cardinality is not None:
        parts.append(
            Comparison(
                "fall with each doubling of the cardinality", cardinality, "decades",
                "it falls with the cardinality", "it does not fall with the cardinality",
            )
        )  # fmt: skip
        way = "lower" if cardinality.effect >= 0 else "higher"
        words += f", {abs(cardinality.effect):.2g} {way} with each doubling of the cardinality"
    return finding(
        statement, parts, pairs["seed"], pairs["depth"],
        supported=f"{aggregated}'s representations are better conditioned than {skip}'s: {words}.",
        refuted=f"{aggregated}'s condition number is not below {skip}'s as claimed: {words}.",
        open=f"{aggregated}'s condition number cannot be told from {skip}'s: {words}.",
        facts=words,
        reason=note,
        remark=diverged_remark(
            data.of(*ROLES), f"{aggregated}s count as beyond float32's precision, {skip}s are left out"
        )
        + exploded_remark(data.of(*ROLES)),
    )  # fmt: skip


def _matched(pairs: pd.DataFrame) -> pd.DataFrame:
    """Those whose parameter counts are alike."""
    ratio = (pairs["model.parameters_second"] / pairs["model.parameters_first"]).astype(float)
    return pairs[np.abs(np.log(ratio)) <= np.log1p(MATCHED)].reset_index(drop=True)


def _fall_with_cardinality(data: SweepData) -> Mean | None:
    """Decades that the median log10 kappa falls with each doubling of the cardinality; None if that does not vary."""
    column = next((c for c in ("cardinality", "model.cardinality") if c in data.trials.columns), None)
    table = data.measured(CONDITION, data.of("aggregated"))
    if column is None or table.empty or table[column].nunique() < 2:
        return None
    rows = []
    for (depth, seed), one in table.groupby(["depth", "seed"]):
        if one[column].nunique() > 1:
            slope = np.polyfit(np.log2(one[column].to_numpy(dtype=float)), one["value"].to_numpy(dtype=float), 1)[0]
            rows.append((depth, seed, -slope))
    return mean_of(pd.DataFrame(rows, columns=["cell", "seed", "fall"]), "fall")
