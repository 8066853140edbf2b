"""How alike the tokens of one sample are: 1 where all have one direction, as in a collapsed transformer."""

from skipray.metrics import Absent, Headline, LayerMetric
from skipray.metrics.computing.entries import Entries

METRIC = LayerMetric(
    key="token_similarity",
    definition="mean cosine of two different tokens of a sample, over all pairs without padding, then over the samples",
    source="Dong, Cordonnier and Loukas 2021; Noci et al. 2022",
    axis="token similarity",
    low=-1.0,
    high=1.0,
    better="lower",
    asked="full",
    reads="entries",
    tensors=("hidden",),
    axes=3,
    of_samples=True,
    headlines=(Headline(tensor="hidden", aggregates=("last", "median"), trends=("last",)),),
)


def measure(entries: Entries) -> float:
    import torch

    x, real = entries.tensor.detach().to(torch.float64), entries.real
    tokens = real.sum(1)
    if not bool((tokens > 1).any()):
        raise Absent("one token, which has no other to be compared with")
    length = torch.linalg.vector_norm(x, dim=2)
    whole = ((length > 0) | ~real).all(1) & (tokens > 1)
    if not bool(whole.any()):
        raise Absent("no sample whose tokens are all unlike zero")
    alike = x[whole] / length[whole].where(real[whole], 1)[:, :, None]
    total = alike.where(real[whole][:, :, None], 0).sum(1).square().sum(1)
    several = tokens[whole]
    return float(((total - several) / (several * (several - 1))).mean())
