"""Statistics of a tensor's entries, without a spectrum. Axis 0 is the samples, axis 1 the units.

They take torch tensors, on any device, or arrays, and accumulate in float64.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

VERSIONS = {"mean_cosine": 1, "dead_fraction": 1, "nonfinite": 1, "range": 1, "rms": 1, "gradient_norm": 1}
"""The statistics and the version of each definition, as it stands in layers.parquet."""


def mean_cosine(samples: Tensor | Any) -> float:
    """Mean cosine of the angle between two different samples (axis 0), over all pairs; all-zero samples have none.

    Raises:
        ValueError: fewer than two samples that are not zero.
    """
    import torch

    from skipray.spectrum.unfolding import pieces

    x = _tensor(samples)
    x = x.reshape(len(x), -1)
    peaks = x.abs().amax(1).to(torch.float64)
    kept = peaks > 0
    x, peaks = x[kept], peaks[kept]
    _check_pairs(len(x))
    lengths = torch.linalg.vector_norm(x / peaks[:, None].to(x.dtype), dim=1, dtype=torch.float64)
    weights = 1 / lengths / peaks
    square = sum(
        float(((piece if piece.shape[1] == len(x) else piece.T) @ weights).square().sum()) for piece in pieces(x, 0)
    )
    return _mean_over_pairs(square, len(x))


def mean_cosine_from_gram(gram: Tensor) -> float:
    """`mean_cosine` of the samples whose inner products are given, (n, n)."""
    kept = gram.diagonal() > 0
    _check_pairs(int(kept.sum()))
    weights = gram.diagonal()[kept].rsqrt()
    return _mean_over_pairs(float(weights @ (gram[kept][:, kept] @ weights)), len(weights))


def _check_pairs(samples: int) -> None:
    if samples < 2:
        raise ValueError(f"found {samples} samples that are not all zero; a pair needs two")


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
