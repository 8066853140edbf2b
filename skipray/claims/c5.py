"""C5: condition numbers of gradients and weight updates follow the hidden ones.

Parts, for gradients and for updates: Spearman's rank correlation over the layers of a trial, mean over the trials.
"""

from dataclasses import replace

import pandas as pd

from skipray.claims.judging.claim import PAPER_SOURCE, Comparison, Finding, finding, untested
from skipray.claims.judging.data import LEFT_OUT, SweepData, diverged_remark, exploded_remark
from skipray.claims.judging.estimates import mean_of

ID = "C5"
SOURCE = PAPER_SOURCE
ROLES = ()
NEEDS = ("layers: hidden, weight_gradient, weight_update log10_condition",)
TRAINS = False
MARGIN = 0.0
STATEMENT = "Condition numbers of gradients and weight updates follow the hidden ones"


def judge(data: SweepData) -> Finding:
    what = "Run with `probe: {preset: full}`, which measures gradients and weight updates."
    hidden = data.layer_rows("hidden", "log10_condition")
    parts: list[Comparison] = []
    used: list[pd.DataFrame] = []
    for tensor, label in (("weight_gradient", "gradients"), ("weight_update", "weight updates")):
        other = data.layer_rows(tensor, "log10_condition")
        if hidden.empty or other.empty:
            continue
        both = hidden.merge(other[["trial_id", "layer_index", "value"]], on=["trial_id", "layer_index"])
        rows = []
        for _, profile in both.groupby("trial_id"):
            if len(profile) < 5 or profile["value_x"].nunique() < 2 or profile["value_y"].nunique() < 2:
                continue
            rho = float(profile["value_x"].corr(profile["value_y"], method="spearman"))
            first = profile.iloc[0]
            rows.append((f"{first['architecture']}|{first['depth']}", first["depth"], first["seed"], rho))
        table = pd.DataFrame(rows, columns=["cell", "depth", "seed", "rho"])
        estimate = mean_of(table, "rho")
        if estimate is not None:
            estimate = replace(estimate, least=-1.0, most=1.0)
            parts.append(
                Comparison(
                    f"rank correlation of {label} with hidden", estimate, "rho", f"{label} follow the hidden ones",
                    f"{label} do not follow the hidden ones", MARGIN,
                )
            )  # fmt: skip
            used.append(table)
    if not parts:
        return untested(STATEMENT, what, "no condition numbers of gradients or weight updates by layer")
    rows_used = pd.concat(used)
    words = ", ".join(f"{q.label} {q.evidence.effect:.2f}" for q in parts)
    return finding(
        STATEMENT, parts, rows_used["seed"], rows_used["depth"],
        supported=f"Layers with singular representations have singular gradients and updates ({words}).",
        refuted=f"Gradients and updates do not follow the hidden condition numbers ({words}).",
        open=f"Whether gradients and updates follow the hidden condition numbers is open ({words}).",
        facts=words,
        remark=diverged_remark(data.trials, LEFT_OUT) + exploded_remark(data.trials),
    )  # fmt: skip
