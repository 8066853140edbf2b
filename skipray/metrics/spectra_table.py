"""The statistics of many spectra at once: one numpy call a statistic, whatever the number of layers.

The definitions are those of `skipray.metrics.singularity`, value by value (a test holds it).
"""

from collections.abc import Sequence

import numpy as np


def spectrum_statistics(
    spectra: Sequence[np.ndarray], ranks: Sequence[int], eps: Sequence[float]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Every statistic of every spectrum.

    Args:
        spectra: m descending arrays of any lengths.
        ranks: the structural rank of each.
        eps: of each matrix's own number format.

    Returns:
        statistic -> (value, censored), two arrays of length m; the value is NaN where an all-zero spectrum has none,
        censored is -1 where the truth is below the value, 1 where it is above, else 0.
    """
    count = len(spectra)
    length = max((len(s) for s in spectra), default=1)
    s = np.zeros((count, length))
    for row, values in zip(s, spectra, strict=True):
        row[: len(values)] = values
    rank, relative = np.asarray(ranks, dtype=int), np.asarray(eps, dtype=float)
    top = s[:, 0]
    empty = (top == 0) | (rank < 1)
    safe_top = np.where(empty, 1.0, top)
    share = s / safe_top[:, None]
    above = share > relative[:, None]
    last = share[np.arange(count), np.clip(rank, 1, length) - 1]
    hidden = last <= relative
    last = np.where(hidden, relative, last)
    energy = share**2
    energy_sum = _positive(energy.sum(1))
    zero = np.zeros(count, dtype=int)

    def present(values: np.ndarray) -> np.ndarray:
        return np.where(empty, np.nan, values)

    logs = np.log(np.where(above, share, 1.0)).sum(1) + above.sum(1) * np.log(safe_top)
    return {
        "log10_condition": (present(-np.log10(last)), np.where(hidden & ~empty, 1, 0)),
        "log10_sigma_min": (present(np.log10(last) + np.log10(safe_top)), np.where(hidden & ~empty, -1, 0)),
        "spectral_norm": (top, zero),
        "numerical_rank": (np.where(top == 0, 0, above.sum(1)).astype(float), zero),
        "rank_1e3": ((share > 1e-3).sum(1).astype(float), zero),
        "stable_rank": (present(energy_sum), zero),
        "effective_rank": (present(_entropy_rank(share)), zero),
        "effective_rank_energy": (present(_entropy_rank(energy)), zero),
        "participation_ratio": (present(energy_sum**2 / _positive((energy**2).sum(1))), zero),
        "log_volume": (present(logs), zero),
    }


def _entropy_rank(weights: np.ndarray) -> np.ndarray:
    p = weights / _positive(weights.sum(1))[:, None]
    entropy: np.ndarray = -np.sum(p * np.log(np.where(p > 0, p, 1.0)), axis=1)
    return np.exp(entropy)


def _positive(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, 1.0)
