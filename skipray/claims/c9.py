"""C9: lower kappa goes with a smaller generalization gap.

Parts: Kendall's tau of the median layer's log10 kappa with the accuracy gap, over all networks that fit the training
set (train accuracy of at least FITTED: Jiang et al. 2020 compare at equal training loss, and a network that has not
learned has no gap to speak of), and within depth and family, where neither can be the common cause.
"""

import numpy as np
import pandas as pd

from skipray.association import Association, granulated_tau
from skipray.claims.judging.claim import PAPER_SOURCE, Comparison, Finding, finding, untested
from skipray.claims.judging.data import CONDITION, SweepData, combinations, diverged_remark, exploded_remark
from skipray.claims.judging.evidence import Mean

ID = "C9"
SOURCE = PAPER_SOURCE
ROLES = ()
NEEDS = (CONDITION, "gap.accuracy", "train.accuracy")
TRAINS = True
MARGIN = 0.0
FITTED = 0.99
STATEMENT = "Lower kappa goes with a smaller generalization gap"


def judge(data: SweepData) -> Finding:
    table = data.measured(CONDITION)
    columns = [c for c in ("gap.accuracy", "train.accuracy") if c in table.columns]
    values = table[columns].apply(pd.to_numeric, errors="coerce")
    fits = (
        values["gap.accuracy"].notna() & (values["train.accuracy"] >= FITTED)
        if len(columns) == 2
        else pd.Series(False, index=table.index)
    )
    table = table[fits & (table["outcome"] == "trained")]
    what = "Run two or more families with three or more seeds and the probe on, at depths where they fit their data."
    told = f"networks with a train accuracy of at least {FITTED:g}, kappa and a gap"
    if len(table) < 6 or table["seed"].nunique() < 2:
        return untested(STATEMENT, what, f"{len(table)} {told}")
    # What lies beyond float precision ranks last, all alike.
    kappa = np.where(table["censored"] > 0, np.inf, table["value"].to_numpy(dtype=float))
    kappa = np.where(np.isinf(kappa), table["value"].max() + 1, kappa)
    gap = table["gap.accuracy"].to_numpy(dtype=float)
    within = combinations(table, ["architecture", "depth"])
    parts: list[Comparison] = []
    taus: list[str] = []
    for label, strata in (("over all networks that fit", None), ("within depth and family", within)):
        tau = granulated_tau(kappa, gap, strata=strata, seed=table["seed"].to_numpy())
        if tau is not None:
            parts.append(
                Comparison(
                    f"Kendall's tau {label}", evidence(tau), "tau", f"they go together {label}",
                    f"they do not go together {label}", MARGIN,
                )
            )  # fmt: skip
            taus.append(f"{tau.tau:.2f} {label}")
    if len(parts) < 2:
        return untested(STATEMENT, what, f"no depth of a family with {told} that differ, at three seeds")
    words = f"{len(table)} {told}; tau {', '.join(taus)}"
    return finding(
        STATEMENT, parts, table["seed"], table["depth"],
        supported=f"Better conditioned networks have smaller gaps ({words}).",
        refuted=f"Better conditioned networks do not have smaller gaps ({words}).",
        open=f"No clear link between condition number and gap ({words}).",
        facts=words,
        remark=diverged_remark(data.trials, "they have no gap and are left out") + exploded_remark(data.trials),
    )  # fmt: skip


def evidence(tau: Association) -> Mean:
    """Of a rank correlation, which lies between -1 and 1."""
    return Mean(tau.tau, tau.error, tau.seeds - 1, least=-1.0, most=1.0)
