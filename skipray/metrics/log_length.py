"""How the lengths of representations wander from layer to layer, and from one initialisation to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.metrics import Absent, NetworkMetric

if TYPE_CHECKING:
    from skipray.metrics.computing.network import TrainedNetwork

METRIC = NetworkMetric(
    key="log_length",
    parts=("change", "squared_change", "variance"),
    definition="of ln of the mean square of a sample's hidden representation: last less first, its square, and the "
    "variance over the layers; means over the samples",
    source="Hanin and Rolnick 2018, failure modes 1 and 2",
    axis="ln of the squared length",
    asked="by name",
    trends=("change", "squared_change", "variance"),
    needs_classes=False,
    at_initialisation=True,
)


def measure(network: TrainedNetwork) -> dict[str, float]:
    """Over networks the variance of the change is the mean of `squared_change` less the square of that of `change`."""
    import torch

    lengths = [h.flatten(1).square().mean(1) for h in network.hidden_values]
    if len(lengths) < 2:
        raise Absent("fewer than two hidden representations")
    layers = torch.stack(lengths)
    logs = layers[:, (layers > 0).all(0)].log()
    if not logs.numel():
        raise Absent("every sample's representation is zero somewhere")
    change = logs[-1] - logs[0]
    return {
        "change": float(change.mean()),
        "squared_change": float(change.square().mean()),
        "variance": float(logs.var(0, unbiased=False).mean()),
    }
