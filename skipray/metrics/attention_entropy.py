"""How widely attention looks: 1 where every token looks at all alike, 0 where each looks at one."""

import math

from skipray.metrics import Absent, Headline, LayerMetric
from skipray.metrics.computing.entries import Entries

METRIC = LayerMetric(
    key="attention_entropy",
    definition="−Σⱼ aᵢⱼ ln aᵢⱼ / ln T, aᵢⱼ how much token i of T, without padding, looks at token j; "
    "mean over tokens, heads and samples",
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

    a, real = entries.tensor.detach().to(torch.float64), entries.real
    tokens = real.sum(1)
    several = tokens > 1
    if not bool(several.any()):
        raise Absent("one token, which can look at no other")
    if bool(real.all()):
        return float(torch.special.entr(a).sum(3).mean()) / math.log(a.shape[3])
    each = torch.special.entr(a).sum(3).mean(1)  # (samples, tokens)
    of_sample = each.where(real, 0).sum(1) / tokens.clamp(min=1)
    return float((of_sample[several] / tokens[several].log()).mean())
