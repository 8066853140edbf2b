"""Whether a network is right as often as it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.metrics import NetworkMetric

if TYPE_CHECKING:
    from torch import Tensor

    from skipray.metrics.computing.network import TrainedNetwork

METRIC = NetworkMetric(
    key="calibration_error",
    definition="mean over the samples of |accuracy − confidence| of their bin, 15 bins of equal width",
    source="Guo et al. 2017, equation 3",
    axis="expected calibration error",
    low=0.0,
    high=1.0,
    better="lower",
)


def measure(network: TrainedNetwork) -> float:
    return expected_calibration_error(network.scores, network.labels)


def expected_calibration_error(logits: Tensor, labels: Tensor, *, bins: int = 15) -> float:
    """Mean over samples of |accuracy - confidence| of their bin, equal-width bins (Guo et al. 2017, equation 3).

    Args:
        logits: (samples, classes).
        labels: (samples,).
        bins: 15 in the source.
    """
    import torch

    confidence, predicted = logits.detach().to(torch.float64).softmax(1).max(1)
    index = (confidence * bins).ceil().long().clamp(1, bins) - 1
    difference = (predicted == labels).to(torch.float64) - confidence
    sums = torch.zeros(bins, dtype=torch.float64, device=logits.device).index_add_(0, index, difference)
    return float(sums.abs().sum() / len(labels))
