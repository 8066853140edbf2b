"""Do two quantities move together over runs? Kendall's tau over all runs, within depth, within family.

The granulated coefficient of Jiang et al. 2020 ("Fantastic generalization measures", section 4) compares only runs that
share a stratum, such as a depth, so that what changes with the stratum cannot be the common cause. Intervals cluster by
seed: the jackknife over seeds with t quantiles on seeds - 1 degrees of freedom, since runs of one seed share their data
order and pairs of runs share runs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from skipray.curves import Array


@dataclass(frozen=True)
class Association:
    """Kendall's tau-b with its 95 % interval."""

    tau: float
    low: float
    high: float
    p: float
    """One-sided: the chance of so large a tau without association."""
    pairs: int
    """Pairs of runs that were compared."""


def granulated_tau(
    x: ArrayLike, y: ArrayLike, *, strata: ArrayLike | None = None, cluster: ArrayLike | None = None
) -> Association | None:
    """Kendall's tau-b of x and y over pairs of runs in the same stratum.

    Args:
        x, y: (runs,) the two quantities; finite.
        strata: (runs,) only runs with the same entry are compared; all runs when None. Each stratum's pairs are pooled.
        cluster: (runs,) seeds; each run by itself when None.

    Returns:
        None where no pair differs in both quantities, or with fewer than two clusters.

    Raises:
        ValueError: arrays of different lengths or values that are not finite.
    """
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    layer = np.zeros(len(a)) if strata is None else np.asarray(strata)
    group = np.arange(len(a)) if cluster is None else np.asarray(cluster)
    if a.ndim != 1 or not a.shape == b.shape == layer.shape == group.shape:
        raise ValueError(f"found shapes {a.shape}, {b.shape}, {layer.shape}, {group.shape}; allowed: one length")
    if not (np.all(np.isfinite(a)) and np.all(np.isfinite(b))):
        raise ValueError("found values that are not finite; allowed: finite ones")
    names, index = np.unique(group, return_inverse=True)
    if len(names) < 2:
        return None
    sums = _pair_sums(a, b, layer, index, len(names))
    tau = _tau(sums.sum(axis=(1, 2)) / 2)
    if tau is None:
        return None
    # Leaving a cluster out removes its row and its column of pairs.
    left = [_tau((sums.sum(axis=(1, 2)) - 2 * sums[:, k].sum(axis=1) + sums[:, k, k]) / 2) for k in range(len(names))]
    known = np.array([t for t in left if t is not None])
    if len(known) < 2:
        return None
    count = len(known)
    error = float(np.sqrt((count - 1) / count * np.sum((known - known.mean()) ** 2)))
    reach = float(stats.t.ppf(0.975, count - 1)) * error
    p = float(stats.t.sf(tau / error, count - 1)) if error > 0 else float(tau <= 0)
    low, high = max(-1.0, tau - reach), min(1.0, tau + reach)
    return Association(tau, low, high, p, int(sums[3].sum() / 2))


def _pair_sums(a: Array, b: Array, layer: np.ndarray, index: np.ndarray, clusters: int) -> Array:
    """(4, clusters, clusters) sums over ordered pairs by the clusters of both runs: concordance, untied in a, untied
    in b, pairs."""
    sign_a, sign_b = np.sign(a[:, None] - a), np.sign(b[:, None] - b)
    same = (layer[:, None] == layer) & ~np.eye(len(a), dtype=bool)
    member = np.eye(clusters)[index]
    terms = (sign_a * sign_b * same, np.abs(sign_a) * same, np.abs(sign_b) * same, same.astype(float))
    return np.stack([member.T @ term @ member for term in terms])


def _tau(sums: Array) -> float | None:
    scale = float(np.sqrt(sums[1] * sums[2]))
    return float(sums[0]) / scale if scale > 0 else None
