"""Shattered gradients: how alike the gradients at neighbouring inputs are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from skipray.metrics import Absent, NetworkMetric

if TYPE_CHECKING:
    from torch import Tensor, nn

    from skipray.metrics.computing.network import TrainedNetwork

METRIC = NetworkMetric(
    key="gradient_correlation.neighbours",
    definition="mean cosine of the loss's gradients at each input and at a neighbour 1 % of its norm away",
    source="Balduzzi et al. 2017, section 2 and figure 1",
    axis="gradient correlation of neighbours",
    low=-1.0,
    high=1.0,
    asked="full",
    needs_classes=False,
    at_initialisation=True,
)


def measure(network: TrainedNetwork) -> float:
    return neighbour_gradient_correlation(
        network.module, network.inputs, network.labels, loss=network.loss, seed=network.seed
    )


def neighbour_gradient_correlation(
    network: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    *,
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    distance: float = 0.01,
    seed: int = 0,
) -> float:
    """Mean cosine of the gradients at each input and at a neighbour `distance` of its norm away, a random direction.

    Balduzzi et al. 2017, section 2 and figure 1, which walk through inputs on a line; a sample's own label serves both.
    """
    import torch

    from skipray.metrics.computing.input_gradients import input_gradients
    from skipray.metrics.computing.same_draws import each_pass_alike

    if not inputs.is_floating_point():
        raise Absent("inputs are token numbers, which have no neighbours")
    step = torch.randn(inputs.shape, generator=torch.Generator().manual_seed(seed)).to(inputs)
    flat, size = step.flatten(1), inputs.flatten(1).norm(dim=1)
    neighbours = inputs + (flat * (distance * size / flat.norm(dim=1))[:, None]).reshape(inputs.shape)
    with each_pass_alike(network, inputs.device, seed):
        here = input_gradients(network, inputs, labels, loss).flatten(1).double()
        there = input_gradients(network, neighbours, labels, loss).flatten(1).double()
    known = (here.norm(dim=1) > 0) & (there.norm(dim=1) > 0)
    if not known.any():
        raise Absent("found gradients that are all zero; they have no direction")
    return float(torch.cosine_similarity(here[known], there[known], dim=1, eps=0.0).mean())
