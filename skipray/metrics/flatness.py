"""How much weight noise a network stands."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from skipray.metrics import NetworkMetric

if TYPE_CHECKING:
    from torch import Tensor, nn

    from skipray.metrics.computing.network import TrainedNetwork

METRIC = NetworkMetric(
    key="flatness",
    definition="largest relative weight noise whose mean loss rises by at most 0.1, of a cross-entropy nats",
    source="Jiang et al. 2020, appendix C; Dziugaite et al. 2020",
    axis="weight noise that does no harm",
    low=0.0,
    high=1.0,
    better="higher",
    asked="full",
    needs_classes=False,
)


ALLOWED_RISE = 0.1
"""In nats; Jiang et al. 2020 (appendix C) allow a tenth of accuracy, loss is finer."""
DRAWS, HALVINGS = 5, 12
LARGEST = 1.0
"""Noise as large as the weights themselves."""


def measure(network: TrainedNetwork) -> float:
    return flatness(network.module, network.inputs, network.labels, loss=network.loss, seed=network.seed)


def flatness(
    network: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    *,
    seed: int = 0,
    draws: int = DRAWS,
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> float:
    """Largest relative weight noise whose mean loss rises by at most 0.1 (PAC-Bayes flatness, magnitude-aware).

    Each weight w becomes w (1 + sigma g), g normal from `seed`; sigma by bisection in log scale between 1e-6 and 1
    (Jiang et al. 2020, appendix C; Dziugaite et al. 2020). Measured in the mode that the network is in; left as found.

    Args:
        inputs: (samples, ...) as the network takes them.
        labels: (samples,) class numbers, or what `loss` takes.
        draws: of the noise, over which the loss's rise is averaged.
        loss: of (scores, labels), a scalar; cross-entropy when None.

    Returns:
        sigma; 1 where even that much does no harm, 0 where none is harmless.
    """
    import torch

    from skipray.metrics.computing.as_found import as_found
    from skipray.metrics.computing.same_draws import each_pass_alike

    mean_loss = loss or torch.nn.functional.cross_entropy
    parameters = list(network.parameters())
    kept = [p.detach().clone() for p in parameters]
    generator = torch.Generator().manual_seed(seed)
    noise = [
        [torch.randn(p.shape, generator=generator).to(p.device, p.dtype) for p in parameters] for _ in range(draws)
    ]

    def rise(sigma: float, start: float) -> float:
        total = 0.0
        for draw in noise:
            for p, w, g in zip(parameters, kept, draw, strict=True):
                p.copy_(w * (1 + sigma * g))
            total += float(mean_loss(network(inputs), labels))
        return total / draws - start

    with as_found(network), each_pass_alike(network, inputs.device, seed), torch.no_grad():
        try:
            start = float(mean_loss(network(inputs), labels))
            if rise(LARGEST, start) <= ALLOWED_RISE:
                return LARGEST
            low, high = math.log(1e-6), math.log(LARGEST)
            if not rise(math.exp(low), start) <= ALLOWED_RISE:
                return 0.0
            for _ in range(HALVINGS):
                middle = (low + high) / 2
                low, high = (middle, high) if rise(math.exp(middle), start) <= ALLOWED_RISE else (low, middle)
            return math.exp(low)
        finally:
            for p, w in zip(parameters, kept, strict=True):
                p.copy_(w)
