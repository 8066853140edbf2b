"""How far the tokens of a sample are from being all one: attention without skips loses it with depth."""

from skipray.metrics import Absent, Headline, LayerMetric
from skipray.metrics.computing.entries import Entries

METRIC = LayerMetric(
    key="rank_one_distance",
    definition="‖X − 1x̄ᵀ‖ / ‖X‖, X a sample's tokens without padding, x̄ their mean, ‖·‖ = √(‖·‖₁ ‖·‖∞); mean over the "
    "samples",
    source="Dong, Cordonnier and Loukas 2021, section 2",
    axis="distance from rank one",
    low=0.0,
    better="higher",
    scale="log",
    asked="full",
    reads="entries",
    tensors=("hidden",),
    axes=3,
    of_samples=True,
    headlines=(Headline(tensor="hidden", aggregates=("last", "median"), trends=("last",)),),
)


def measure(entries: Entries) -> float:
    import torch

    real = entries.real[:, :, None]
    x = entries.tensor.detach().to(torch.float64).where(real, 0)
    mean = x.sum(1, keepdim=True) / real.sum(1, keepdim=True).clamp(min=1)
    # The largest sum over a column, over a row: the operator norms of 1 and infinity.
    sides = [t.abs().sum(1).amax(1) * t.abs().sum(2).amax(1) for t in ((x - mean).where(real, 0), x)]
    whole = sides[1] > 0
    if not bool(whole.any()):
        raise Absent("all tokens are zero")
    return float((sides[0][whole] / sides[1][whole]).sqrt().mean())
