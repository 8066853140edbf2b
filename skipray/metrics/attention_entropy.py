"""How widely attention looks: 1 where every token looks at all alike, 0 where each looks at one."""

import math

from skipray.metrics import Absent, Headline, LayerMetric
from skipray.metrics.computing.entries import Entries

METRIC = LayerMetric(
    key="attention_entropy",
    definition="−Σⱼ aᵢⱼ ln aᵢⱼ / ln T, aᵢⱼ how much token i of T looks at token j; mean over tokens, heads and samples",
    source="Zhai et al. 2023, section 3.1, there without ln T",
    axis="attention entropy",
    low=0.0,
    high=1.0,
    asked="full",
    reads="entries",
    tensors=("attention",),
    axes=4,
    headlines=(Headline(tensor="attention", aggregates=("last", "median"), trends=("median",)),),
)


def measure(entries: Entries) -> float:
    import torch

    a = entries.tensor.detach().to(torch.float64)
    if a.shape[3] < 2:
        raise Absent("one token, which can look at no other")
    return float(torch.special.entr(a).sum(3).mean()) / math.log(a.shape[3])
