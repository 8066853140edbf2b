"""Reduced tensors to rows of layers.parquet: columns first, one table at the end."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from skipray.metrics import entries, singularity
from skipray.metrics.spectra_table import spectrum_statistics
from skipray.probe.reduction import Reduced
from skipray.records import LAYER_COLUMNS

COUNTS = {"structural_rank": 1, "zero_rows": 1, "zero_columns": 1}
"""The rank that the spectrum's statistics take for full, and what was removed before, with the definitions' versions.
Columns are counted for matrices and for the unfolding by samples, where they are features."""
VERSIONS = singularity.VERSIONS | entries.VERSIONS | COUNTS
TENSORS = {"weight": 2, "output_gradient": 2, "weight_gradient": 2}
"""Kinds of tensors whose statistics have changed: they have at least this version. Weights, 2: where a layer has an
effective weight (Dirac) that one, and no longer the learned part alone. Gradients, 2: the rank of those that reach the
scores linearly is at most classes - 1, and of no others; 1 took the last block for such a one in all families."""


@dataclass(frozen=True)
class _Rows:
    """Columns of some rows, one entry a row."""

    source: list[int]
    """Which of the reduced tensors."""
    unfolding: list[str]
    centred: list[bool]
    statistic: list[str]
    value: list[float]
    censored: list[int]
    reason: list[str]


def rows(reduced: Sequence[Reduced], epoch: int) -> pd.DataFrame:
    """One row a statistic, columns LAYER_COLUMNS, tensor by tensor."""
    parts = [_spectral(reduced), _counts(reduced), _entrywise(reduced), _absent(reduced)]

    def column(name: str) -> list:
        return [entry for part in parts for entry in getattr(part, name)]

    source = np.array(column("source"), dtype=int)
    order = np.argsort(source, kind="stable")
    source = source[order]
    statistic = np.array(column("statistic"), dtype=object)[order]
    places = [r.place for r in reduced]
    table = {
        "epoch": np.full(len(source), epoch),
        "layer": np.array([p.layer for p in places], dtype=object)[source],
        "layer_index": np.array([p.layer_index for p in places], dtype=int)[source],
        "tensor": np.array([p.tensor for p in places], dtype=object)[source],
        "unfolding": np.array(column("unfolding"), dtype=object)[order],
        "centred": np.array(column("centred"), dtype=bool)[order],
        "phase": np.array([p.phase for p in places], dtype=object)[source],
        "statistic": statistic,
        "version": np.maximum(
            np.array([VERSIONS[s] for s in statistic], dtype=int),
            np.array([TENSORS.get(p.tensor, 1) for p in places], dtype=int)[source],
        ),
        "value": np.array(column("value"), dtype=float)[order],
        "censored": np.array(column("censored"), dtype=int)[order],
        "reason": np.array(column("reason"), dtype=object)[order],
    }
    return pd.DataFrame(table, columns=list(LAYER_COLUMNS))


def _spectral(reduced: Sequence[Reduced]) -> _Rows:
    flat = [(i, key, s, r.eps) for i, r in enumerate(reduced) for key, s in r.spectra.items()]
    results = spectrum_statistics(
        [s.values for _, _, s, _ in flat], [s.rank for _, _, s, _ in flat], [eps for _, _, _, eps in flat]
    )
    names = list(results)
    value = np.stack([results[n][0] for n in names], axis=1).reshape(-1)
    censored = np.stack([results[n][1] for n in names], axis=1).reshape(-1)
    return _Rows(
        source=[i for i, _, _, _ in flat for _ in names],
        unfolding=[key[0] for _, key, _, _ in flat for _ in names],
        centred=[key[1] for _, key, _, _ in flat for _ in names],
        statistic=names * len(flat),
        value=value.tolist(),
        censored=censored.tolist(),
        reason=["" if known else "all-zero matrix" for known in np.isfinite(value)],
    )


def _counts(reduced: Sequence[Reduced]) -> _Rows:
    flat = [
        (i, key, name, float(count))
        for i, r in enumerate(reduced)
        for key, s in r.spectra.items()
        for name, count in zip(COUNTS, (s.rank, s.zero_rows, s.zero_columns), strict=True)
        if count is not None
    ]
    return _plain([(i, key[0], key[1], name, value) for i, key, name, value in flat])


def _entrywise(reduced: Sequence[Reduced]) -> _Rows:
    return _plain(
        [(i, r.unfoldings[0], False, name, value) for i, r in enumerate(reduced) for name, value in r.entries.items()]
    )


def _plain(flat: list[tuple[int, str, bool, str, float]]) -> _Rows:
    source, unfolding, centred, statistic, value = (
        (list(column) for column in zip(*flat, strict=True)) if flat else ([],) * 5
    )
    return _Rows(source, unfolding, centred, statistic, value, [0] * len(flat), [""] * len(flat))


def _absent(reduced: Sequence[Reduced]) -> _Rows:
    flat: list[tuple[int, str, bool, str, str]] = []
    for i, r in enumerate(reduced):
        for name, reason in r.absent.items():
            if name != "spectrum":
                flat.append((i, r.unfoldings[0], False, name, reason))
                continue
            spectra = [(u, c) for u in r.unfoldings for c in r.centrings]
            flat += [(i, u, c, statistic, reason) for u, c in spectra for statistic in singularity.VERSIONS]
    rows_ = _plain([(i, u, c, s, float("nan")) for i, u, c, s, _ in flat])
    return _Rows(
        rows_.source,
        rows_.unfolding,
        rows_.centred,
        rows_.statistic,
        rows_.value,
        rows_.censored,
        [reason for *_, reason in flat],
    )
