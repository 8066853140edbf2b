"""Shattered gradients: how alike the gradients at different inputs are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from skipray.metrics import NetworkMetric

if TYPE_CHECKING:
    from torch import Tensor, nn

    from skipray.metrics.computing.network import TrainedNetwork

METRIC = NetworkMetric(
    key="gradient_correlation",
    definition="mean cosine, over pairs of samples, of the loss's gradients with respect to the input",
    source="Balduzzi et al. 2017, section 2",
    axis="gradient correlation of inputs",
    low=-1.0,
    high=1.0,
    asked="full",
    needs_classes=False,
    at_initialisation=True,
)


def measure(network: TrainedNetwork) -> float:
    return gradient_correlation(network.module, network.inputs, network.labels, loss=network.loss)


def gradient_correlation(
    network: nn.Module, inputs: Tensor, labels: Tensor, *, loss: Callable[[Tensor, Tensor], Tensor] | None = None
) -> float:
    """Mean cosine, over pairs of samples, of the loss's gradients with respect to the input.

    Balduzzi et al. 2017, section 2: in deep plain networks gradients at different inputs are as unlike as white noise.
    """
    from skipray.metrics.computing.input_gradients import input_gradients
    from skipray.metrics.singularity import mean_cosine

    return mean_cosine(input_gradients(network, inputs, labels, loss).flatten(1))
