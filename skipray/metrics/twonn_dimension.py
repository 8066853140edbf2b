"""Intrinsic dimension of a representation, from the distances to the two nearest neighbours."""

from skipray.metrics import Absent, Headline, LayerMetric
from skipray.metrics.computing.entries import Entries

KEPT = 0.9
"""Share of the ratios that are fitted: the source leaves out the largest tenth."""
FEWEST = 20
METRIC = LayerMetric(
    key="twonn_dimension",
    definition="slope through 0 of −ln(1 − F) over ln of the ratio of the second to the first neighbour's distance",
    source="Facco et al. 2017",
    axis="intrinsic dimension (TwoNN)",
    low=0.0,
    asked="full",
    reads="entries",
    tensors=("hidden",),
    of_samples=True,
    headlines=(Headline(tensor="hidden", aggregates=("last", "median"), trends=("last",)),),
)


def measure(entries: Entries) -> float:
    import torch

    x = entries.tensor.detach().reshape(len(entries.tensor), -1).to(torch.float64)
    # Without the squares' expansion, which loses the digits of near neighbours.
    distance = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    distance.fill_diagonal_(torch.inf)
    first, second = distance.topk(min(2, len(x)), largest=False).values.unbind(1) if len(x) > 1 else (x[:0], x[:0])
    kept = (first > 0) & second.isfinite()
    if int(kept.sum()) < FEWEST:
        raise Absent(f"fewer than {FEWEST} samples that are unlike their nearest neighbour")
    ratio = (second[kept] / first[kept]).sort().values.log()
    share = torch.arange(1, len(ratio) + 1, dtype=torch.float64, device=ratio.device) / len(ratio)
    count = int(KEPT * len(ratio))
    x_, y_ = ratio[:count], -torch.log1p(-share[:count])
    if not float(x_ @ x_) > 0:
        raise Absent("all samples are as far from their second neighbour as from the first")
    return float(x_ @ y_ / (x_ @ x_))
