"""Whether a network is right as often as it says."""

import torch
from torch import Tensor


def expected_calibration_error(logits: Tensor, labels: Tensor, *, bins: int = 15) -> float:
    """Mean over samples of |accuracy - confidence| of their bin, equal-width bins (Guo et al. 2017, equation 3).

    Args:
        logits: (samples, classes).
        labels: (samples,).
        bins: 15 in the source.
    """
    confidence, predicted = logits.detach().to(torch.float64).softmax(1).max(1)
    index = (confidence * bins).ceil().long().clamp(1, bins) - 1
    difference = (predicted == labels).to(torch.float64) - confidence
    sums = torch.zeros(bins, dtype=torch.float64, device=logits.device).index_add_(0, index, difference)
    return float(sums.abs().sum() / len(labels))
