"""Claims about depth, judged from what was measured: the paper's C1a to C11, a file each, and those that a sweep
declares.

Source of the paper's: Oyedotun, Al Ismaeil & Aouada, IEEE TNNLS 34(9), 2023. Margins are ours where the paper states
none; each claim's file gives its own. numpy, scipy and pandas only.

A file of this folder is a claim: `ID`, `ROLES` (of families that it speaks of), `NEEDS` (what has to be measured),
`TRAINS` (whether it speaks of what networks have learned) and `judge(data) -> Finding`.
"""

import re
from collections.abc import Mapping, Sequence

import pandas as pd

from skipray.claims._data import SweepData
from skipray.claims._verdict import Claim, Part, Stated, Verdict, judged, untested
from skipray.extension import catalog

__all__ = ["Claim", "Part", "Verdict", "judge", "paper_claims"]

PAPER_SOURCE = "Oyedotun, Al Ismaeil & Aouada 2023"


def paper_claims() -> list[str]:
    """The files of this folder, in the order of their numbers."""
    return sorted(catalog.names("claims"), key=lambda name: (int("0" + re.sub(r"\D", "", name)), name))


def judge(
    trials: pd.DataFrame,
    layers: pd.DataFrame | None = None,
    histories: pd.DataFrame | None = None,
    *,
    factors: Sequence[str] | None = None,
    roles: Mapping[str, str] | None = None,
    trained: bool = True,
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
        roles: role -> architecture, of `plain`, `skip` and `aggregated`; the paper's families when None.
        trained: whether networks were trained at all.

    Raises:
        ValueError: trials lacks one of `architecture, depth, seed, outcome`.
    """
    data = SweepData.read(trials, layers, factors, roles)
    stated = []
    for name in paper_claims():
        claim = catalog.find("claims", name)
        found = claim.judge(data)
        if claim.TRAINS and not trained:
            found = untested(found.statement, "Run with `recipe.epochs` of at least 1.", "nothing was trained")
        stated.append(Stated(claim.ID, PAPER_SOURCE, found))
    return judged(stated)
