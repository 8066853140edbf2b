"""C4: kappa of networks with skips stays finite: high early, then falling.

Parts, for each family: log10 kappa of the median layer at the deepest depth is below MARGIN, dead units counted
apart, a diverged network's beyond float32's precision; with layer tables also its fall from the first third of the
layers to the last is above 0, mean over the depths that have two layers a third. A finite kappa is refuted where it
is surely above a third of what float32 can hold.
"""

import numpy as np
import pandas as pd

from skipray.claims.judging.change import deepest_of_two
from skipray.claims.judging.claim import PAPER_SOURCE, Comparison, Finding, finding, untested
from skipray.claims.judging.data import BEYOND_PRECISION, CONDITION, SweepData, diverged_remark, exploded_remark
from skipray.claims.judging.estimates import censored_mean, level_within, mean_of
from skipray.claims.judging.evidence import Mean

ID = "C4"
SOURCE = PAPER_SOURCE
ROLES = ("skip", "aggregated")
NEEDS = ("hidden.log10_condition.median", "layers: hidden.log10_condition")
TRAINS = False
MARGIN = 6.0
"""Decades: about one below float32's precision floor (eps * s_1, 6.9 decades), where values are censored."""
SINGULAR = BEYOND_PRECISION.value - float(np.log10(3))


def judge(data: SweepData) -> Finding:
    statement = f"{data.both_twins()} kappa stays finite: high early, then falling over the layers"
    parts: list[Comparison] = []
    used: list[pd.DataFrame] = []
    words: list[str] = []
    for role in data.twins:
        table = data.measured(CONDITION, data.of(role), diverged=BEYOND_PRECISION)
        depth = deepest_of_two(table, data.cells(table))
        if depth is None:
            continue
        deepest = table[table["depth"] == depth]
        deepest = deepest.assign(cell=data.cells(deepest))
        bound = censored_mean(deepest, "value")
        assert bound is not None  # bounds to one side alone
        bound = level_within(bound, CONDITION)
        name = data.name(role)
        at = f"at depth {depth}"
        parts.append(
            Comparison(
                f"log10 kappa of {name} {at}", bound, "decades", f"{name}'s kappa stays finite {at}",
                f"{name}'s kappa is not finite {at}", MARGIN, "below", SINGULAR,
                f"{name}'s kappa comes within a decade of what float32 can hold {at}",
            )
        )  # fmt: skip
        used.append(deepest)
        words.append(f"log10 kappa of {name} {bound.at}{bound.effect:.2g} {at}")
        fall = _fall_over_layers(data, role)
        if fall is not None:
            parts.append(
                Comparison(
                    f"fall of log10 kappa over {name}'s layers", fall, "decades",
                    f"{name}'s falls over the layers", f"{name}'s does not fall over the layers",
                )
            )  # fmt: skip
            way = "fall" if fall.effect >= 0 else "rise"
            words[-1] += f", a {way} of {abs(fall.effect):.2g} over the layers, mean over the depths"
    if not parts:
        names = " or ".join(data.name(r).lower() for r in ROLES)
        what = f"Run {names} with the probe on, two or more seeds."
        return untested(statement, what, f"no {CONDITION} of a residual family with two seeds")
    rows, told = pd.concat(used), "; ".join(words)
    seen = any(q.label.startswith("fall") for q in parts)
    return finding(
        statement, parts, rows["seed"], rows["depth"],
        supported=f"Residual networks stay non-singular{' and fall over the layers' if seen else ''}: {told}.",
        refuted=f"Residual networks do not keep a finite, falling kappa here: {told}.",
        open=f"Whether residual networks keep a finite, falling kappa is open: {told}.",
        facts=told,
        reason="" if seen else "Without layer tables the fall over the layers was not judged.",
        remark=diverged_remark(data.of(*ROLES), "their kappa counts as beyond float32's precision")
        + exploded_remark(data.of(*ROLES)),
    )  # fmt: skip


def _fall_over_layers(data: SweepData, role: str) -> Mean | None:
    """Mean log10 kappa of the first third of the layers less that of the last, trial by trial."""
    falls = []
    for profile in data.profiles("hidden", "log10_condition", role):
        third = len(profile) // 3
        if third > 1:
            value = profile["value"].to_numpy(dtype=float)
            first = profile.iloc[0]
            falls.append((first["cell"], first["seed"], value[:third].mean() - value[-third:].mean()))
    return mean_of(pd.DataFrame(falls, columns=["cell", "seed", "fall"]), "fall")
