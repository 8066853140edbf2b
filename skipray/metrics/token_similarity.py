"""How alike the tokens of one sample are: 1 where all have one direction, as in a collapsed transformer."""

from skipray.metrics import Absent, Headline, LayerMetric
from skipray.metrics.computing.entries import Entries

METRIC = LayerMetric(
    key="token_similarity",
    definition="mean cosine of two different tokens of a sample, over all pairs, then over the samples",
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

    x = entries.tensor.detach().to(torch.float64)
    tokens = x.shape[1]
    if tokens < 2:
        raise Absent("one token, which has no other to be compared with")
    length = torch.linalg.vector_norm(x, dim=2, keepdim=True)
    whole = (length > 0).all(1)[:, 0]
    if not bool(whole.any()):
        raise Absent("no sample whose tokens are all unlike zero")
    total = (x[whole] / length[whole]).sum(1).square().sum(1)
    return float(((total - tokens) / (tokens * (tokens - 1))).mean())
