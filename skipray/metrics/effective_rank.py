"""Effective rank: how many directions a tensor uses.

RankMe (Garrido et al. 2023) is the same, of raw representations.
"""

from skipray.metrics import Headline, LayerMetric
from skipray.metrics.computing.spectra import Array, Spectra, entropy_rank

METRIC = LayerMetric(
    key="effective_rank",
    definition="exp(−Σ p ln p), p = s / Σ s",
    source="Roy and Vetterli 2007",
    axis="effective rank",
    low=1.0,
    better="higher",
    figure="rank-by-depth",
    reads="spectrum",
    headlines=(
        Headline(tensor="hidden", aggregates=("last", "median"), trends=("last",)),
        Headline(tensor="hidden", centred=True, aggregates=("last",)),
        Headline(tensor="weight", aggregates=("median",)),
    ),
)


def measure(spectra: Spectra) -> Array:
    return spectra.present(entropy_rank(spectra.share))
