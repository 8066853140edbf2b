"""Do two quantities move together over runs? Kendall's tau over all runs, within depth, within family.

The granulated coefficient of Jiang et al. 2020 ("Fantastic generalization measures", section 4) compares only runs that
share a stratum, such as a depth, so that what changes with the stratum cannot be the common cause. Intervals cluster by
seed: the jackknife over seeds with t quantiles on seeds - 1 degrees of freedom, since runs of one seed share their data
order and pairs of runs share runs.

Nothing is of the size runs x runs: each run's concordant pairs are counted while sorting (Knight 1966, kept per run),
and leaving a seed out takes away its runs' pairs. Time grows with n log^2 n, memory with n.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit

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
    error: float
    """Standard error: that of the jackknife, at least that of as many runs without association."""
    seeds: int
    """That it rests on; quantiles are those of t on seeds - 1 degrees of freedom."""


def granulated_tau(
    x: ArrayLike, y: ArrayLike, *, strata: ArrayLike | None = None, seed: ArrayLike | None = None
) -> Association | None:
    """Kendall's tau-b of x and y over pairs of runs in the same stratum.

    Args:
        x, y: (runs,) the two quantities; finite.
        strata: (runs,) only runs with the same entry are compared; all runs when None. The pairs of all strata are
            pooled, so a stratum counts by its pairs; in equal strata without ties this is the mean of their taus.
        seed: (runs,) of each run; each run by itself when None.

    Returns:
        None where no pair differs in both quantities, or with fewer than two seeds.

    Raises:
        ValueError: arrays of different lengths or values that are not finite.
    """
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    layer = np.zeros(len(a)) if strata is None else np.asarray(strata)
    seeds = np.arange(len(a)) if seed is None else np.asarray(seed)
    if a.ndim != 1 or not a.shape == b.shape == layer.shape == seeds.shape:
        raise ValueError(f"found shapes {a.shape}, {b.shape}, {layer.shape}, {seeds.shape}; allowed: one length")
    if not (np.all(np.isfinite(a)) and np.all(np.isfinite(b))):
        raise ValueError("found values that are not finite; allowed: finite ones")
    names, index = np.unique(seeds, return_inverse=True)
    if len(names) < 2:
        return None
    a, b = (np.unique(v, return_inverse=True)[1] for v in (a, b))
    _, level = np.unique(layer, return_inverse=True)
    each = _pair_sums(a, b, level)
    total = each.sum(axis=1)
    tau = _tau(total)
    if tau is None:
        return None
    # Every pair is counted from both of its runs: leaving a seed out takes its runs' pairs away twice, and gives
    # those inside of it back once.
    inside = _pair_sums(a, b, level * len(names) + index)
    own, shared = (np.stack([np.bincount(index, row, len(names)) for row in sums]) for sums in (each, inside))
    left = [_tau(rest) for rest in (total[:, None] - 2 * own + shared).T]
    known = np.array([t for t in left if t is not None])
    if len(known) < 2:
        return None
    count = len(known)
    error = float(np.sqrt((count - 1) / count * np.sum((known - known.mean()) ** 2)))
    # Of few seeds the jackknife's values are often equal: no interval is narrower than chance alone makes it.
    error = max(error, _chance_error(level, total[3].item()))
    reach = float(stdtrit(count - 1, 0.975)) * error
    p = float(stdtr(count - 1, -tau / error))
    return Association(tau, max(-1.0, tau - reach), min(1.0, tau + reach), p, int(total[3]) // 2, error, count)


def _chance_error(stratum: np.ndarray, pairs: float) -> float:
    """Standard deviation of tau over independent runs without association: n (n - 1) (2n + 5) / 18 of a stratum's sum
    of n runs (Kendall 1938). `pairs` counts every pair twice."""
    size = np.bincount(stratum).astype(float)
    return float(np.sqrt(np.sum(size * (size - 1) * (2 * size + 5) / 18)) / (pairs / 2))


def _pair_sums(a: np.ndarray, b: np.ndarray, stratum: np.ndarray) -> Array:
    """(4, runs) sums of each run over the others of its stratum: concordance, untied in a, untied in b, pairs. a and b
    are ranks (runs,)."""
    out = np.zeros((4, len(a)))
    order = np.argsort(stratum, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(stratum[order])) + 1):
        if len(rows) > 1:
            one, two = a[rows], b[rows]
            agree = _dominated(one, two) + _dominated(-one, -two)
            differ = _dominated(one, -two) + _dominated(-one, two)
            sizes = [len(rows) - np.bincount(v)[v] for v in (one, two)]
            out[:, rows] = [agree - differ, *sizes, np.full(len(rows), len(rows) - 1)]
    return out


def _dominated(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n,) for each entry the number of others that are smaller in both integers: a merge sort that counts, all blocks
    of a width at once."""
    count = len(a)
    order = np.lexsort((-b, a))  # of equals in a none precedes another with a smaller b
    size = 1 << (count - 1).bit_length()
    highest = int(b.max()) + 1
    value = np.full(size, highest)
    value[:count] = b[order]
    place = np.arange(size)
    found = np.zeros(size, dtype=np.int64)
    stride = highest - int(b.min()) + 1
    width = 1
    while width < size:
        # Sorted halves side by side; shifted by a stride per pair, all left halves are one sorted list.
        pairs = value.reshape(-1, 2, width)
        shift = np.arange(len(pairs))[:, None] * stride
        below = np.searchsorted((pairs[:, 0] + shift).ravel(), (pairs[:, 1] + shift).ravel())
        found[place.reshape(-1, 2, width)[:, 1].ravel()] += below - np.repeat(np.arange(len(pairs)) * width, width)
        width *= 2
        merged = np.argsort(value.reshape(-1, width), axis=1, kind="stable") + np.arange(0, size, width)[:, None]
        value, place = value[merged].ravel(), place[merged].ravel()
    out = np.empty(count, dtype=np.int64)
    out[order] = found[:count]
    return out


def _tau(sums: Array) -> float | None:
    scale = float(np.sqrt(sums[1] * sums[2]))
    return float(sums[0]) / scale if scale > 0 else None
