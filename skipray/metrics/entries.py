"""Statistics of a tensor's entries, without a spectrum. Axis 0 is the samples, axis 1 the units.

They take torch tensors, on any device, or arrays, and accumulate in float64.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

VERSIONS = {"mean_cosine": 1, "dead_fraction": 1, "nonfinite": 1, "range": 1, "rms": 1, "gradient_norm": 1}
"""The statistics and the version of each definition, as it stands in layers.parquet."""
CHUNK_ENTRIES = 2**20
"""So many are held in float64 at once."""


def mean_cosine(samples: Tensor | Any) -> float:
    """Mean cosine of the angle between two different samples (axis 0), over all pairs; all-zero samples have none.

    Raises:
        ValueError: fewer than two samples that are not zero.
    """
    import torch

    x = _tensor(samples)
    x = x.reshape(len(x), -1)
    total, count = torch.zeros(x.shape[1], dtype=torch.float64, device=x.device), 0
    for part in x.split(max(1, CHUNK_ENTRIES // max(1, x.shape[1]))):
        wide = part.to(torch.float64)
        peak = wide.abs().amax(1, keepdim=True)
        wide = (wide / peak)[peak[:, 0] > 0]
        total += (wide / torch.linalg.vector_norm(wide, dim=1, keepdim=True)).sum(0)
        count += len(wide)
    if count < 2:
        raise ValueError(f"found {count} samples that are not all zero; allowed: at least two, for a pair")
    return _mean_over_pairs(float(total @ total), count)


def mean_cosine_of_gram(gram: Tensor) -> float | None:
    """`mean_cosine` of samples whose inner products are given, (n, n); None for fewer than two that are not zero."""
    kept = gram.diagonal() > 0
    weights = gram.diagonal()[kept].rsqrt()
    if len(weights) < 2:
        return None
    return _mean_over_pairs(float(weights @ (gram[kept][:, kept] @ weights)), len(weights))


def mean_cosine_of_matrix(samples: np.ndarray, squares: np.ndarray) -> float | None:
    """`mean_cosine` of the rows of (n, f) with the squared lengths (n,); None for fewer than two that are not zero."""
    kept = squares > 0
    n = int(kept.sum())
    if n < 2:
        return None
    total = (1 / np.sqrt(squares[kept])) @ (samples if n == len(samples) else samples[kept])
    return _mean_over_pairs(float(total @ total), n)


def _mean_over_pairs(square: float, n: int) -> float:
    """From the squared length of the sum of n unit vectors."""
    return (square - n) / (n * (n - 1))


def dead_fraction(hidden: Tensor | Any) -> float:
    """Share of the units (axis 1: features, or channels at every position) that are 0 for every sample."""
    x = _tensor(hidden)
    if x.ndim < 2 or not x.numel():
        raise ValueError(f"found shape {tuple(x.shape)}; allowed: samples and units, at least one of each")
    dead = (x == 0).movedim(1, 0).flatten(1).all(1)
    return float(dead.double().mean())


def nonfinite(tensor: Tensor | Any) -> float:
    """How many entries are NaN or infinite."""
    x = _tensor(tensor)
    return float((~x.isfinite()).sum())


def range(tensor: Tensor | Any) -> float:
    """Largest minus smallest entry."""
    low, high = _tensor(tensor).aminmax()
    return float(high) - float(low)


def rms(tensor: Tensor | Any) -> float:
    """Root mean square of the entries."""
    x = _tensor(tensor)
    return gradient_norm(x) / math.sqrt(x.numel())


def gradient_norm(gradient: Tensor | Any) -> float:
    """Frobenius norm."""
    import torch

    x = _tensor(gradient)
    peak = float(x.abs().max())
    if x.dtype == torch.float64 and peak and not 1e-100 < peak < 1e100:
        return peak * float(torch.linalg.vector_norm(x / peak))
    return float(torch.linalg.vector_norm(x, dtype=torch.float64))


def _tensor(values: Tensor | Any) -> Tensor:
    import torch

    x = torch.as_tensor(values).detach()
    return x if x.is_floating_point() else x.to(torch.float64)
