"""Reduced tensors to rows of layers.parquet: columns first, one table at the end."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from skipray.metrics import entries, singularity
from skipray.metrics.spectra_table import spectrum_statistics
from skipray.probe.reduction import Reduced
from skipray.records import LAYER_COLUMNS

COUNTS = {"zero_rows": 1, "zero_columns": 1, "structural_rank": 1}
"""What was removed before the spectrum's statistics, and what was left; with the definitions' versions."""
VERSIONS = singularity.VERSIONS | entries.VERSIONS | COUNTS


def rows(reduced: Sequence[Reduced], epoch: int) -> pd.DataFrame:
    """One row a statistic, columns LAYER_COLUMNS."""
    parts = [_spectral(reduced), _entrywise(reduced), _absent(reduced)]
    table = {column: np.concatenate([part[column] for part in parts]) for column in LAYER_COLUMNS if column in parts[0]}
    table["epoch"] = np.full(len(table["value"]), epoch)
    frame = pd.DataFrame(table, columns=list(LAYER_COLUMNS))
    order = {id(r.place): i for i, r in enumerate(reduced)}
    frame["_order"] = np.concatenate([[order[i] for i in part["_place"]] for part in parts]).astype(int)
    return frame.sort_values("_order", kind="stable", ignore_index=True).drop(columns="_order")


def _columns(
    places: list[Reduced],
    unfolding: list[str],
    centred: list[bool],
    statistic: list[str],
    value: np.ndarray,
    censored: np.ndarray,
    reason: list[str],
) -> dict[str, np.ndarray]:
    def texts(values: list[str]) -> np.ndarray:
        return np.array(values, dtype=object)

    return {
        "layer": texts([r.place.layer for r in places]),
        "layer_index": np.array([r.place.layer_index for r in places], dtype=int),
        "tensor": texts([r.place.tensor for r in places]),
        "unfolding": texts(unfolding),
        "centred": np.array(centred, dtype=bool),
        "phase": texts([r.place.phase for r in places]),
        "statistic": texts(statistic),
        "version": np.array([VERSIONS[s] for s in statistic], dtype=int),
        "value": np.asarray(value, dtype=float),
        "censored": np.asarray(censored, dtype=int),
        "reason": texts(reason),
        "_place": np.array([id(r.place) for r in places], dtype=object),
    }


def _spectral(reduced: Sequence[Reduced]) -> dict[str, np.ndarray]:
    flat = [(r, key, spectrum) for r in reduced for key, spectrum in r.spectra.items()]
    results = spectrum_statistics(
        [s.values for _, _, s in flat], [s.rank for _, _, s in flat], [r.eps for r, _, _ in flat]
    )
    zeros = np.zeros(len(flat), dtype=int)
    results["zero_rows"] = (np.array([s.zero_rows for _, _, s in flat], dtype=float), zeros)
    results["zero_columns"] = (np.array([s.zero_columns for _, _, s in flat], dtype=float), zeros)
    results["structural_rank"] = (np.array([s.rank for _, _, s in flat], dtype=float), zeros)
    names = list(results)
    value = np.stack([results[n][0] for n in names], axis=1).reshape(-1)
    censored = np.stack([results[n][1] for n in names], axis=1).reshape(-1)
    repeated = [item for item in flat for _ in names]
    return _columns(
        [r for r, _, _ in repeated],
        [key[0] for _, key, _ in repeated],
        [key[1] for _, key, _ in repeated],
        names * len(flat),
        value,
        censored,
        ["" if np.isfinite(v) else "all-zero tensor" for v in value],
    )


def _entrywise(reduced: Sequence[Reduced]) -> dict[str, np.ndarray]:
    flat = [(r, name, value) for r in reduced for name, value in r.entries.items()]
    return _columns(
        [r for r, _, _ in flat],
        [r.unfoldings[0] for r, _, _ in flat],
        [False] * len(flat),
        [name for _, name, _ in flat],
        np.array([value for _, _, value in flat], dtype=float),
        np.zeros(len(flat), dtype=int),
        [""] * len(flat),
    )


def _absent(reduced: Sequence[Reduced]) -> dict[str, np.ndarray]:
    flat: list[tuple[Reduced, str, bool, str, str]] = []
    for r in reduced:
        for name, reason in r.absent.items():
            if name != "spectrum":
                flat.append((r, r.unfoldings[0], False, name, reason))
                continue
            for unfolding in r.unfoldings:
                flat += [(r, unfolding, c, s, reason) for c in r.centrings for s in singularity.VERSIONS]
    return _columns(
        [f[0] for f in flat],
        [f[1] for f in flat],
        [f[2] for f in flat],
        [f[3] for f in flat],
        np.full(len(flat), np.nan),
        np.zeros(len(flat), dtype=int),
        [f[4] for f in flat],
    )
