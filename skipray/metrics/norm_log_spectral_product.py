"""The product of the layers' spectral norms: how much a network can stretch its input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.metrics import NetworkMetric

if TYPE_CHECKING:
    from skipray.metrics.computing.network import TrainedNetwork

METRIC = NetworkMetric(
    key="norm.log_spectral_product",
    definition="natural logarithm of the product of the layers' spectral norms, kernels as their unfolding by outputs, "
    "a weight as often as its layer is called",
    source="Bartlett, Foster and Telgarsky 2017",
    version=2,
    axis="log product of spectral norms",
    unit="nats",
    better="lower",
    needs_classes=False,
)


def measure(network: TrainedNetwork) -> float:
    return network.log_spectral_product
