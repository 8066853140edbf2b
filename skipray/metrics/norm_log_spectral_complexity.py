"""Spectral complexity: what a margin bound on the test error is made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from skipray.metrics import Absent, NetworkMetric

if TYPE_CHECKING:
    from torch import Tensor

    from skipray.metrics.computing.network import TrainedNetwork

METRIC = NetworkMetric(
    key="norm.log_spectral_complexity",
    definition="ln of Π‖A‖ (Σ (‖A − M‖₂₁ / ‖A‖)^(2/3))^(3/2), A the weights, as often as they act, M the initial ones",
    source="Bartlett, Foster and Telgarsky 2017, equation 1.2",
    version=2,
    axis="log spectral complexity",
    unit="nats",
    better="lower",
    needs_classes=False,
)


def measure(network: TrainedNetwork) -> float:
    if network.initial is None:
        raise Absent("the initial weights are not known")
    return log_spectral_complexity(network.weights, network.initial, norms=network.spectral_norms, uses=network.uses)


def log_spectral_complexity(
    weights: Sequence[Tensor],
    initial: Sequence[Tensor],
    *,
    norms: Sequence[float] | None = None,
    uses: Sequence[int] | None = None,
) -> float:
    """Natural logarithm of the spectral complexity (Bartlett, Foster and Telgarsky 2017, equation 1.2).

    prod_i |A_i| (sum_i (|A_i' - M_i'|_{2,1} / |A_i|)^(2/3))^(3/2), |.| the spectral norm, M the initial weights, the
    activations 1-Lipschitz. |.|_{2,1} sums the norms of the units' incoming weights (rows of A). Kernels count as
    their unfoldings by outputs, normalization layers as part of the activations, so there it is a measure and no bound.

    Args:
        norms: `spectral_norms(weights)`, where they are known.
        uses: how often each weight acts in a pass, and is one of the A_i; once when left out.
    """
    from skipray.metrics.computing.spectral_norms import (
        log_or_minus_infinity,
        log_spectral_product,
        spectral_norms,
    )

    norms = spectral_norms(weights) if norms is None else norms
    uses = [1] * len(weights) if uses is None else uses
    total = 0.0
    for weight, start, norm, count in zip(weights, initial, norms, uses, strict=True):
        moved = (weight.detach().double() - start.detach().double()).reshape(len(weight), -1)
        if norm == 0:
            return -math.inf
        total += count * (float(moved.norm(dim=1).sum()) / norm) ** (2 / 3)
    return log_spectral_product(weights, norms=norms, uses=uses) + 1.5 * log_or_minus_infinity(total)
