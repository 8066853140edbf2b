"""Neural collapse 2: how far the class means are from equal lengths and equal angles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.metrics import Absent, NetworkMetric

if TYPE_CHECKING:
    from skipray.metrics.computing.network import TrainedNetwork

METRIC = NetworkMetric(
    key="nc2",
    parts=("lengths", "angles"),
    definition="class means less their mean: deviation of their lengths over the mean; mean of |cosine + 1 / (C − 1)|",
    source="Papyan, Han and Donoho 2020",
    axis="NC2, class means",
    low=0.0,
    better="lower",
    asked="full",
    version=2,
)


def measure(network: TrainedNetwork) -> dict[str, float]:
    import torch

    means = network.classes.centred_means
    lengths = means.norm(dim=1)
    if not bool((lengths > 0).all()) or len(means) < 2:
        raise Absent("a class mean is the mean of all")
    unit = means / lengths[:, None]
    cosines = (unit @ unit.mT)[~torch.eye(len(unit), dtype=torch.bool, device=unit.device)]
    angles = float((cosines + 1 / (len(unit) - 1)).abs().mean())
    return {"lengths": float(lengths.std(correction=0) / lengths.mean()), "angles": angles}
