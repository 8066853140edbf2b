"""Reduced tensors to rows of layers.parquet: columns first, one table at the end."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skipray.metrics import Entry, LayerMetric
from skipray.metrics.computing.own import of_spectra
from skipray.metrics.computing.spectra import Spectra
from skipray.probe.reduction import Reduced
from skipray.records import LAYER_COLUMNS

COUNTS = {"structural_rank": 1, "zero_rows": 1, "zero_columns": 1}
"""The rank that the spectrum's statistics take for full, and what was removed before, with the definitions' versions.
Columns are counted for matrices and for the unfolding by samples, where they are features."""
TENSORS = {"weight": 3, "weight_update": 2, "output_gradient": 2, "weight_gradient": 3}
"""Kinds of tensors whose statistics have changed: they have at least this version. Weights, 2: where a layer has an
effective weight (Dirac) that one, and no longer the learned part alone. Gradients, 2: the rank of those that reach the
scores linearly is at most classes - 1, and of no others; 1 took the last block for such a one in all families. Weights
and their gradients, 3, and updates, 2: those of transposed convolutions have their outputs first, and what hooks make
of others (the old weight norm, pruning) is one weight; before it was two, or the one that is learned."""


@dataclass(frozen=True)
class _Rows:
    """Columns of some rows, one entry per row."""

    source: list[int]
    """Which of the reduced tensors."""
    unfolding: list[str]
    centred: list[bool]
    statistic: list[str]
    value: list[float]
    censored: list[int]
    reason: list[str]


def versions(metrics: Sequence[Entry]) -> dict[str, int]:
    """Statistic -> version of its definition, of all that stands in a table of these metrics."""
    return {e.metric.key: e.metric.version for e in metrics if isinstance(e.metric, LayerMetric)} | COUNTS


def rows(reduced: Sequence[Reduced], epoch: int, metrics: Sequence[Entry]) -> pd.DataFrame:
    """One row per statistic, columns LAYER_COLUMNS, tensor by tensor."""
    spectral = [e for e in metrics if isinstance(e.metric, LayerMetric) and e.metric.reads == "spectrum"]
    parts = [_spectral(reduced, spectral), _counts(reduced), _entrywise(reduced), _absent(reduced, spectral)]
    version = versions(metrics)

    def column(name: str) -> list[Any]:
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
            np.array([version[s] for s in statistic], dtype=int),
            np.array([TENSORS.get(p.tensor, 1) for p in places], dtype=int)[source],
        ),
        "value": np.array(column("value"), dtype=float)[order],
        "censored": np.array(column("censored"), dtype=int)[order],
        "reason": np.array(column("reason"), dtype=object)[order],
    }
    return pd.DataFrame(table, columns=list(LAYER_COLUMNS))


@dataclass(frozen=True)
class _Spectrum:
    """One spectrum of one of the reduced tensors."""

    source: int
    tensor: str
    unfolding: str
    centred: bool

    def read_by(self, metric: LayerMetric) -> bool:
        return (
            self.tensor in metric.tensors
            and self.centred in metric.centrings
            and (metric.unfoldings is None or self.unfolding in metric.unfoldings)
        )


def _spectral(reduced: Sequence[Reduced], metrics: Sequence[Entry]) -> _Rows:
    places, spectra, sides = [], [], []
    for i, r in enumerate(reduced):
        for (unfolding, centred), spectrum in r.spectra.items():
            places.append(_Spectrum(i, r.place.tensor, unfolding, centred))
            spectra.append((spectrum.values, spectrum.rank, r.eps))
            rows = r.shape[spectrum.mode]
            sides.append((rows, math.prod(r.shape) // rows))
    if not places:
        return _plain([])
    every = Spectra([s for s, _, _ in spectra], [k for _, k, _ in spectra], [eps for _, _, eps in spectra], sides)
    found: list[tuple[int, str, float, int, str]] = []
    for entry in metrics:
        metric = entry.metric
        assert isinstance(metric, LayerMetric)
        chosen = [i for i, place in enumerate(places) if place.read_by(metric)]
        values, censored, empties = of_spectra(entry, every, chosen)
        for i, value, bound, empty in zip(chosen, values, censored, empties, strict=True):
            why = "" if np.isfinite(value) else "all-zero matrix" if empty else metric.absent
            found.append((i, metric.key, value, bound, why))
    found.sort(key=lambda row: row[0])
    return _Rows(
        source=[places[i].source for i, *_ in found],
        unfolding=[places[i].unfolding for i, *_ in found],
        centred=[places[i].centred for i, *_ in found],
        statistic=[key for _, key, *_ in found],
        value=[value for _, _, value, _, _ in found],
        censored=[bound for _, _, _, bound, _ in found],
        reason=[why for *_, why in found],
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


def _absent(reduced: Sequence[Reduced], metrics: Sequence[Entry]) -> _Rows:
    flat: list[tuple[int, str, bool, str, str]] = []
    for i, r in enumerate(reduced):
        for name, reason in r.absent.items():
            if name != "spectrum":
                flat.append((i, r.unfoldings[0], False, name, reason))
                continue
            places = [_Spectrum(i, r.place.tensor, u, c) for u in r.unfoldings for c in r.centrings]
            flat += [
                (i, place.unfolding, place.centred, entry.metric.key, reason)
                for place in places
                for entry in metrics
                if isinstance(entry.metric, LayerMetric) and place.read_by(entry.metric)
            ]
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
