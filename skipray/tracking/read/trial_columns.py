"""The columns of a table of trials: what each trial is, and what was measured in its run."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from skipray.spec import TrialSpec
from skipray.spec.cell import MAIN_FACTORS, factor_names
from skipray.tracking.read.measured import WideTable
from skipray.tracking.read.row import RunRow, object_of
from skipray.tracking.schema import PROBE_TIME_KEY, TIME_KEY

SHARED_RESOURCES = ("resources.device", "resources.threads")
"""The resources that belong to what a trial is; the others may differ between launches."""


def described(trials: Sequence[TrialSpec], asked: Sequence[TrialSpec]) -> pd.DataFrame:
    """What the trials are: columns from the spec. Parts that many trials share are flattened once."""
    factors = factor_columns(asked)
    sharing: dict[tuple[int, ...], int] = {}
    flats: list[dict[str, Any]] = []
    codes = np.empty(len(trials), dtype=np.int64)
    for i, trial in enumerate(trials):
        key = (id(trial.dataset), id(trial.model), id(trial.recipe), id(trial.resources), id(trial.factors))
        if key not in sharing:
            sharing[key] = len(flats)
            flats.append(_flat(trial))
        codes[i] = sharing[key]
    flat = pd.DataFrame(flats).iloc[codes].reset_index(drop=True)
    columns: dict[str, Any] = {"trial_id": [t.trial_id for t in trials]}
    for name in factors:
        columns[name] = flat.pop(f"cell {name}")
    columns["seed"] = np.array([t.seed for t in trials])
    columns["phase"] = [t.phase for t in trials]
    columns["setting"] = [t.setting for t in trials]
    if any(t.phase == "tune" for t in asked):
        columns["point"] = pd.array([t.point for t in trials], dtype="Int64")
    return pd.concat([pd.DataFrame(columns), flat], axis=1)


def factor_columns(trials: Sequence[TrialSpec]) -> list[str]:
    return [*MAIN_FACTORS, *factor_names(trial.cell for trial in trials)]


def _flat(trial: TrialSpec) -> dict[str, Any]:
    """Factors, then the identity's dotted names; a seed of its own column, probe settings as they were tracked."""
    flat = {
        key: value
        for key, value in trial.flat().items()
        if key != "seed"
        and not key.startswith("probe.")
        and (not key.startswith("resources.") or key in SHARED_RESOURCES)
    }
    return {f"cell {key}": value for key, value in trial.cell.values.items()} | flat


def measured(runs: Sequence[RunRow], wide: WideTable) -> dict[str, Any]:
    """What was measured: columns from the winning runs, rows in their order."""
    columns: dict[str, Any] = {}
    probes = [_probe(row.probe) for row in runs]
    # Where nothing was measured, as of an imported table, the other settings say nothing.
    said = [p for p in probes if p.get("preset") != "none"] or [{"preset": "none"} for p in probes if p]
    for key in sorted({k for p in said for k in p}):
        columns[f"probe.{key}"] = [p.get(key) for p in probes]
    columns["outcome"] = [row.outcome for row in runs]
    columns["attempt"] = np.array([row.attempt for row in runs])
    environments = [_environment(text) for text in wide.environments]
    for key in sorted({k for e in environments for k in e}):
        columns[f"environment.{key}"] = [e.get(key) for e in environments]
    times = (TIME_KEY, PROBE_TIME_KEY)
    for key in [*(k for k in sorted(wide.metrics) if k not in times), *times]:
        columns[key] = wide.metrics.get(key, np.full(len(runs), np.nan))
    # A run is found by its seconds, so that it has some: those of a table that does not say how many are 0.
    elsewhere = np.array(["imported_from" in e for e in environments], dtype=bool)
    for key in times:
        columns[key] = np.where(elsewhere & (columns[key] == 0), np.nan, columns[key])
    return columns


@lru_cache(maxsize=1024)
def _probe(text: str | None) -> dict[str, Any]:
    return object_of(text)


@lru_cache(maxsize=4096)
def _environment(text: str) -> dict[str, str]:
    """What a worker said of itself, without what differs between two machines of one kind."""
    found = object_of(text)
    return {key: value for key, value in found.items() if "host" not in key and key not in ("pid", "node", "machine")}


def empty(trials: Sequence[TrialSpec]) -> pd.DataFrame:
    columns = [
        "trial_id",
        *factor_columns(trials),
        "seed",
        "phase",
        "setting",
        "outcome",
        "attempt",
        TIME_KEY,
        PROBE_TIME_KEY,
    ]
    return pd.DataFrame({name: pd.Series(dtype=object) for name in columns})
