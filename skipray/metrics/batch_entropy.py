"""Batch entropy: how much a layer's units still tell samples apart; 0 where none varies."""

import math

from skipray.metrics import Absent, Headline, LayerMetric
from skipray.metrics.computing.entries import Entries

METRIC = LayerMetric(
    key="batch_entropy",
    definition="mean over the units of ½ ln(π e σ² + 1), σ² a unit's variance over the samples",
    source="Peer et al. 2022",
    axis="batch entropy",
    unit="nats",
    low=0.0,
    better="higher",
    asked="full",
    reads="entries",
    tensors=("hidden",),
    of_samples=True,
    headlines=(Headline(tensor="hidden", aggregates=("last", "min", "median"), trends=("min",)),),
)


def measure(entries: Entries) -> float:
    import torch

    if len(entries.tensor) < 2:
        raise Absent("fewer than two samples")
    variance = entries.tensor.detach().flatten(1).to(torch.float64).var(0)
    return float((math.pi * math.e * variance).log1p().mean() / 2)
