"""Layer metrics for a spectrum or a tensor at hand: `effective_rank(singular_values)`, `mean_cosine(samples)`.

Each name is a file of skipray/metrics; what is called here is the function that a run calls.

A statistic of a spectrum takes singular values, a 1-D array, and optionally `structural_rank` (the rank that the matrix
can have: rows and columns that are all zero, and a removed mean, take from it; all of the values when left out), `eps`
(of the number format that the matrix itself was stored in, float32's when left out) and `shape`, (rows, columns) of the
matrix, which few need. It is a float, and a ValueError where the spectrum has no such value: `with_bound` also says
whether it is one. One of entries takes a tensor or array, axis 0 the samples, axis 1 the units.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from skipray.extension import catalog
from skipray.metrics._declaration import LayerMetric
from skipray.metrics._registry import Entry, entries, find
from skipray.metrics.computing.entries import entries_of
from skipray.metrics.computing.spectra import Spectra

EPS_FLOAT32 = float(np.finfo(np.float32).eps)


def with_bound(
    key: str,
    singular_values: ArrayLike,
    *,
    structural_rank: int | None = None,
    eps: float = EPS_FLOAT32,
    shape: tuple[int, int] | None = None,
) -> tuple[float, int]:
    """A statistic of a spectrum, and 1 where the truth lies above it, -1 where below, else 0.

    Raises:
        ValueError: no such statistic; no singular values; the statistic has no value for them.
    """
    entry = _entry(key, "spectrum")
    s = np.asarray(singular_values, dtype=np.float64)
    if s.ndim != 1 or not s.size or not np.isfinite(s).all() or (s < 0).any():
        raise ValueError(f"found an array of shape {s.shape}; allowed: a row of finite singular values, at least one")
    rank = len(s) if structural_rank is None else structural_rank
    if not 1 <= rank <= len(s):
        raise ValueError(f"found structural rank {rank}; allowed: 1 to {len(s)}, the number of singular values")
    spectra = Spectra([np.sort(s)[::-1]], [rank], [eps], None if shape is None else [shape])
    found = entry.measure(spectra)
    values, censored = found if isinstance(found, tuple) else (found, np.zeros(1, dtype=int))
    value = float(values[0])
    if math.isnan(value):
        assert isinstance(entry.metric, LayerMetric)
        why = "singular values that are all zero" if s.max() == 0 else entry.metric.absent
        raise ValueError(f"found {why}: {key} has no value")
    return value, int(censored[0])


def __getattr__(name: str) -> Callable[..., float]:
    if name.startswith("_") or name not in catalog.names("metrics"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    metric = find(name).metric
    if not isinstance(metric, LayerMetric):
        raise AttributeError(f"{name} is measured on a whole network, not on a spectrum or a tensor")

    def of_spectrum(singular_values: ArrayLike, **options: Any) -> float:
        return with_bound(name, singular_values, **options)[0]

    def of_entries(tensor: Any) -> float:
        return float(_entry(name, "entries").measure(entries_of(tensor)))

    function: Callable[..., float] = of_spectrum if metric.reads == "spectrum" else of_entries
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{metric.definition} ({metric.source})."
    return function


def __dir__() -> list[str]:
    names = [e.name for e in entries() if isinstance(e.metric, LayerMetric)]
    return sorted([*names, "EPS_FLOAT32", "with_bound"])


def _entry(name: str, reads: str) -> Entry:
    entry = find(name)
    if not isinstance(entry.metric, LayerMetric) or entry.metric.reads != reads:
        raise ValueError(f"found {name!r}; allowed: a metric of a tensor's {reads}")
    return entry
