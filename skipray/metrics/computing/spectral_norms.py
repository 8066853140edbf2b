"""Spectral norms of a network's weights, and their product."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def spectral_norms(weights: Sequence[Tensor]) -> list[float]:
    """Largest singular value of each weight, a kernel as its unfolding by outputs; inf where an entry is not finite.

    From Gram matrices, those of equal-shaped weights together: the largest eigenvalue loses no digits.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, weight in enumerate(weights):
        groups.setdefault(tuple(weight.shape), []).append(i)
    found = [math.inf] * len(weights)
    for members in groups.values():
        stack = torch.stack([weights[i].detach().to("cpu", torch.float64).flatten(1) for i in members])
        stack = stack.mT if stack.shape[1] > stack.shape[2] else stack
        peak = stack.abs().amax((1, 2))
        # Divided by the largest entry, squares of whatever float64 holds neither overflow nor vanish.
        scaled = stack / torch.where((peak > 0) & peak.isfinite(), peak, 1.0)[:, None, None]
        gram = torch.where(peak.isfinite()[:, None, None], scaled @ scaled.mT, 0.0)
        largest = np.linalg.eigvalsh(gram.numpy())[:, -1]
        for i, value, scale in zip(members, largest.tolist(), peak.tolist(), strict=True):
            found[i] = math.sqrt(max(value, 0.0)) * scale if math.isfinite(scale) else math.inf
    return found


def log_spectral_product(
    weights: Sequence[Tensor], *, norms: Sequence[float] | None = None, uses: Sequence[int] | None = None
) -> float:
    """Natural logarithm of the product of the layers' spectral norms; a kernel counts as its unfolding by outputs.

    -inf where a weight is zero.

    Args:
        norms: `spectral_norms(weights)`, where they are known.
        uses: how often each weight acts in a pass, and is a factor; once when left out.
    """
    norms = spectral_norms(weights) if norms is None else norms
    uses = [1] * len(weights) if uses is None else uses
    return sum(count * log_or_minus_infinity(norm) for norm, count in zip(norms, uses, strict=True))


def log_or_minus_infinity(value: float) -> float:
    """Natural logarithm, -inf of 0."""
    return math.log(value) if value > 0 else -math.inf
