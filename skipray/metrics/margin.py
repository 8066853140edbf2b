"""How far the right class is ahead of the others."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from skipray.metrics import Absent, NetworkMetric

if TYPE_CHECKING:
    from torch import Tensor

    from skipray.metrics.computing.network import TrainedNetwork

METRIC = NetworkMetric(
    key="margin",
    parts=("q10", "q50", "q90"),
    definition="quantiles of the right score less the largest other one, by the product of the layers' spectral norms",
    source="Bartlett, Foster and Telgarsky 2017, section 1",
    version=2,
    axis="normalised margin",
    better="higher",
)


QUANTILES = (0.1, 0.5, 0.9)


def measure(network: TrainedNetwork) -> dict[str, float]:
    if not math.isfinite(network.log_spectral_product):
        raise Absent("a weight is zero or not finite")
    found = margin_quantiles(network.scores, network.labels, network.log_spectral_product)
    return dict(zip(METRIC.parts, found, strict=True))


def margins(logits: Tensor, labels: Tensor) -> Tensor:
    """Score of the right class minus the largest other one, (samples,), float64 (Bartlett et al. 2017, section 1).

    Args:
        logits: (samples, classes), at least two classes.
        labels: (samples,).
    """
    import torch

    scores = logits.detach().to(torch.float64)
    right = scores.gather(1, labels[:, None])[:, 0]
    others = scores.scatter(1, labels[:, None], -math.inf).amax(1)
    return right - others


def margin_quantiles(logits: Tensor, labels: Tensor, log_norm_product: float = 0.0) -> tuple[float, ...]:
    """10, 50 and 90 % quantiles of the margins, each divided by the product of the layers' spectral norms.

    Args:
        log_norm_product: natural logarithm of that product (`computing.spectral_norms`), which may be beyond float64.
    """
    import torch

    found = torch.quantile(margins(logits, labels), torch.tensor(QUANTILES, dtype=torch.float64, device=logits.device))
    return tuple(math.copysign(_scaled(abs(float(q)), log_norm_product), float(q)) for q in found)


def _scaled(value: float, log_divisor: float) -> float:
    exponent = math.log(value) - log_divisor if value else -math.inf
    return math.exp(exponent) if exponent < 709 else math.inf
