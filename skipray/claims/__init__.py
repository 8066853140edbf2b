"""Claims about depth, judged from what was measured: the paper's C1a to C11, a file each, and those that a sweep
declares.

Source of the paper's: Oyedotun, Al Ismaeil & Aouada, IEEE TNNLS 34(9), 2023. Margins are ours where the paper states
none; each claim's file gives its own. numpy, scipy and pandas only.

A file of this folder is a claim: `ID`, `ROLES` (of families that it speaks of), `NEEDS` (what has to be measured),
`TRAINS` (whether it speaks of what networks have learned), `SOURCE` and `judge(data) -> Finding`. Adding one moves the
adjusted p-values of all: they are one family of tests.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from skipray.claims.judging.by_data import on_each_data_set
from skipray.claims.judging.change import change_over_depths
from skipray.claims.judging.claim import PAPER_SOURCE, Claim, Comparison, Finding, Part, Verdict, finding, untested
from skipray.claims.judging.data import PAPER, ROLES, SweepData
from skipray.claims.judging.estimates import mean_of, mean_over_cells
from skipray.claims.judging.own import judge_own
from skipray.claims.judging.verdict import Stated, judged
from skipray.extension import catalog
from skipray.extension.contract import Attribute, Contract, unknown_words
from skipray.metrics import TENSORS, layer_metrics, tracked
from skipray.spec.claims import OwnClaim

__all__ = [
    "PAPER",
    "PAPER_SOURCE",
    "Claim",
    "Comparison",
    "Finding",
    "Part",
    "SweepData",
    "Verdict",
    "asks_of",
    "change_over_depths",
    "finding",
    "judge",
    "mean_of",
    "mean_over_cells",
    "paper_claims",
    "untested",
]


def paper_claims() -> list[str]:
    """The files of this folder, in the order of their numbers."""
    return sorted(catalog.names("claims"), key=lambda name: (int("0" + re.sub(r"\D", "", name)), name))


def asks_of(families: Collection[str], roles: Mapping[str, str] | None) -> bool:
    """Whether the paper's claims speak of some family of a sweep."""
    return any(family in families for family in (PAPER if roles is None else roles).values())


def judge(
    trials: pd.DataFrame,
    layers: pd.DataFrame | None = None,
    histories: pd.DataFrame | None = None,
    *,
    factors: Sequence[str] | None = None,
    roles: Mapping[str, str] | None = None,
    trained: bool = True,
    own: Sequence[OwnClaim] = (),
    remarks: Mapping[str, str] | None = None,
) -> tuple[Claim, ...]:
    """A verdict on every claim: those of the sweep's own, then C1a, C1b, C2, ..., C11. All are one family of tests.

    Args:
        trials: one row per finished trial, as `skipray.tracking.read_trials` gives it: `trial_id, architecture, depth,
            seed, outcome`, the sweep's factors, params, and final metrics under their MLflow keys with `.censored`
            twins.
        layers: `trial_id` and the columns of `skipray.records.LAYER_COLUMNS`; claims about layers need it.
        histories: `trial_id, epoch, metric, value`; no claim needs it today.
        factors: the sweep's factors other than architecture and depth, within which twins are paired; when None, all
            columns of trials that are options (`options.heads`), or have no dot and are no known metric.
        roles: role -> architecture, of `plain`, `skip` and `aggregated`; the paper's families when None.
        trained: whether networks were trained at all.
        own: claims that the sweep declares.
        remarks: of claims of one's own, by id: what is added to their sentence, such as when they were declared.

    Raises:
        ValueError: trials lacks one of `architecture, depth, seed, outcome`, has a trial twice, an accuracy that is no
            share, or a depth or seed that is none; the row is named.
    """
    data = SweepData.read(trials, layers, factors, roles)
    stated = []
    for declared in own:
        found = judge_own(declared, data)
        found = replace(found, remark=found.remark + (remarks or {}).get(declared.id, ""))
        stated.append(Stated(declared.id, "declared in the sweep", found, own=True))
    for name in paper_claims():
        claim = catalog.find("claims", name)
        found = on_each_data_set(claim.judge, data)
        if claim.TRAINS and not trained:
            found = untested(found.statement, "Run with `recipe.epochs` of at least 1.", "nothing was trained")
        stated.append(Stated(claim.ID, claim.SOURCE, found))
    return judged(stated)


def _named_and_measured(name: str, claim: Any) -> Iterator[str]:
    """Whether a file's ID is its name, and its NEEDS are keys of MLflow or say `layers: TENSOR, ... STATISTIC`."""
    if ":" in name:
        return
    if claim.ID.lower() != name:
        yield f"whose ID is {claim.ID!r}; allowed: {name.upper()!r}, the file's name, but for capitals"
    keys = [need for need in claim.NEEDS if not need.startswith(LAYERS)]
    yield from unknown_words("NEEDS", keys, (*tracked(), "model.parameters"))
    for need in set(claim.NEEDS) - set(keys):
        *tensors, statistic = re.split(r"[,.\s]+", need.removeprefix(LAYERS).strip())
        yield from unknown_words("NEEDS", tensors, TENSORS)
        yield from unknown_words("NEEDS", [statistic], layer_metrics())


LAYERS = "layers:"
CONTRACT = Contract(
    (
        Attribute(("judge",), call=("data",)),
        Attribute(("ID",), of="files", kind=str),
        Attribute(("ROLES",), of="files", values=lambda claim: ROLES),
        Attribute(("NEEDS",), of="files", kind=tuple),
        Attribute(("TRAINS",), of="files", kind=bool),
        Attribute(("SOURCE",), of="files", kind=str),
    ),
    further=_named_and_measured,
)
"""What `skipray.extension.catalog` asks of a claim."""
