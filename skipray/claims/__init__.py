"""The paper's claims C1a to C11, judged from what was measured.

Source of the claims: Oyedotun, Al Ismaeil & Aouada, IEEE TNNLS 34(9), 2023. Margins are ours where the paper states
none; each claim's function gives its own. numpy, scipy and pandas only.
"""

from collections.abc import Sequence

import pandas as pd

from skipray.claims import generalization, singularity, trainability
from skipray.claims.data import SweepData
from skipray.claims.verdict import Claim, Part, Verdict, with_holm

__all__ = ["Claim", "Part", "Verdict", "judge"]

CLAIMS = (
    trainability.c1a,
    trainability.c1b,
    singularity.c2,
    singularity.c3,
    singularity.c4,
    singularity.c5,
    singularity.c6,
    singularity.c7,
    generalization.c8,
    generalization.c9,
    generalization.c10,
    trainability.c11,
)


def judge(
    trials: pd.DataFrame,
    layers: pd.DataFrame | None = None,
    histories: pd.DataFrame | None = None,
    *,
    factors: Sequence[str] | None = None,
) -> tuple[Claim, ...]:
    """A verdict on every claim, in the order C1a, C1b, C2, ..., C11.

    Args:
        trials: one row a finished trial, as `skipray.tracking.read_trials` gives it: `trial_id, architecture, depth,
            seed, outcome`, the sweep's factors, params, and final metrics under their MLflow keys with `.censored`
            twins.
        layers: `trial_id` and the columns of `skipray.records.LAYER_COLUMNS`; claims about layers need it.
        histories: `trial_id, epoch, metric, value`; no claim needs it today.
        factors: the sweep's factors other than architecture and depth, within which twins are paired; when None, all
            columns of trials without a dot that are no known metric.

    Raises:
        ValueError: trials lacks one of `architecture, depth, seed, outcome`.
    """
    data = SweepData.read(trials, layers, factors)
    return with_holm([claim(data) for claim in CLAIMS])
