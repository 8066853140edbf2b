"""How alike the representations of neighbouring layers are: blocks that change little are near 1."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from skipray.metrics import Absent, NetworkMetric

if TYPE_CHECKING:
    from torch import Tensor

    from skipray.metrics.computing.network import TrainedNetwork

METRIC = NetworkMetric(
    key="cka.consecutive",
    parts=("median", "min"),
    definition="linear centred kernel alignment of each two consecutive hidden representations; median and smallest",
    source="Kornblith et al. 2019, equation 1 and section 3",
    axis="linear CKA of consecutive layers",
    low=0.0,
    high=1.0,
    asked="full",
    trends=("median",),
    needs_classes=False,
)


def measure(network: TrainedNetwork) -> dict[str, float]:
    grams = network.centred_grams
    pairs = [(a, b) for a, b in itertools.pairwise(grams) if float(a.norm()) > 0 and float(b.norm()) > 0]
    if not pairs:
        raise Absent("no two consecutive layers that vary")
    found = sorted(alignment(a, b) for a, b in pairs)
    middle = len(found) // 2
    median = found[middle] if len(found) % 2 else (found[middle - 1] + found[middle]) / 2
    return {"median": median, "min": found[0]}


def linear_cka(first: Tensor, second: Tensor) -> float:
    """Linear CKA of two representations of the same samples, of any two layers or networks; axes (samples, ...)."""
    from skipray.metrics.computing.grams import centred_gram

    return alignment(centred_gram(first), centred_gram(second))


def alignment(first: Tensor, second: Tensor) -> float:
    """Cosine of two centred Gram matrices."""
    return float((first * second).sum() / (first.norm() * second.norm()))
