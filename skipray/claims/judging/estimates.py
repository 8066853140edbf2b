"""Means and changes whose intervals hold at 3 to 10 seeds: clustered by seed, t on seeds - 1 degrees of freedom or
less."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import gammaincinv

from skipray.claims.judging.evidence import Mean, Ratio, Share
from skipray.metrics import describe
from skipray.trends.given import seeds_of

ROUNDING = float(np.finfo(np.float32).eps)
"""Of what was measured: a standard deviation below it, as a share of the values, is no knowledge."""

SCATTER_TAIL = 0.25
"""What a variance that few seeds tell may be, for the degrees of freedom: the upper end of this one-sided level."""


def mean_over_cells(value: np.ndarray, cell: np.ndarray, seed: np.ndarray) -> Mean | None:
    """Mean over cells of the cell means, its standard error clustered by seed.

    A seed's residual is scaled by what its cell's mean took of it (Bell & McCaffrey 2002). Degrees of freedom are
    seeds - 1 where cells have the same seeds; else fewer, of the errors that count most, cells and seeds by themselves
    (Satterthwaite 1946): of cells that scatter alike, and as they were found to, where a spread that few seeds tell is
    taken to be as large as three of four such samples show at most. A cell of one seed says nothing of its own spread:
    it is given the largest spread of any other cell, as if its error went the way of all that its seed has.

    Args:
        value, cell, seed: (values,). Values of one seed may have anything in common.

    Returns:
        None with fewer than two seeds, or with no cell of two.

    Raises:
        ValueError: arrays of different lengths, values that are not finite or that have no seed.
    """
    if len({np.shape(one) for one in (value, cell, seed)}) > 1:
        raise ValueError("found values, cells and seeds of different lengths; allowed: arrays of one length")
    if not np.all(np.isfinite(np.asarray(value, dtype=float))):
        raise ValueError("found values that are not finite; allowed: finite ones, none where there is no value")
    names, seeds = np.unique(np.asarray(seeds_of(seed)), return_inverse=True)
    if len(names) < 2:
        return None
    _, cells = np.unique(cell, return_inverse=True)
    counts = np.bincount(cells)
    pairs, pair, sizes = np.unique(cells * len(names) + seeds, return_inverse=True, return_counts=True)
    pair_cell, pair_seed = pairs // len(names), pairs % len(names)
    own = np.bincount(pair_cell)
    several = own > 1
    if not several.any():
        return None
    means = np.bincount(cells, value) / counts
    left = 1.0 - sizes / counts[pair_cell]
    scale = np.divide(1.0, np.sqrt(left), out=np.zeros(len(left)), where=several[pair_cell])
    residual = scale * np.bincount(pair, value - means[cells]) / counts[pair_cell]
    spread = own * np.bincount(pair_cell, residual**2)
    widest = int(np.argmax(spread))
    lone = np.bincount(pair_seed[~several[pair_cell]], minlength=len(names))
    moves = np.abs(np.bincount(pair_seed, residual)) + lone * np.sqrt(spread[widest])
    error = float(np.sqrt(np.sum(moves**2))) / len(counts)
    least = ROUNDING * max(1.0, float(np.abs(value).max())) / np.sqrt(len(names))
    weight = np.where(several, 1.0 / own, 0.0)
    weight[widest] += lone.sum()
    by_cell = _freedom(weight[several], own[several] - 1)
    found = (spread * weight)[several]
    if found.any():
        least_chi2 = 2.0 * gammaincinv(0.5 * (own[several] - 1), SCATTER_TAIL)
        by_cell = min(by_cell, _freedom(found * (own[several] - 1) / least_chi2, own[several] - 1))
    weight = np.bincount(pair_seed[several[pair_cell]], 1.0 / own[pair_cell[several[pair_cell]]] ** 2)
    by_seed = max(1.0, weight.sum() ** 2 / np.sum(weight**2) - 1)
    freedom = float(min(by_cell, by_seed))
    whole = len(names) - 1
    return Mean(float(means.mean()), max(error, float(least)), whole if freedom > whole - 1e-9 else freedom)


def _freedom(variance: np.ndarray, freedom: np.ndarray) -> float:
    """Of a sum of independent variances, each with its own degrees of freedom (Satterthwaite 1946)."""
    return float(variance.sum() ** 2 / np.sum(variance**2 / freedom))


def ratio_over_cells(above: np.ndarray, below: np.ndarray, cell: np.ndarray, seed: np.ndarray) -> Ratio | None:
    """Ratio of two such means; (values,) each."""
    first, second, both = (mean_over_cells(value, cell, seed) for value in (above, below, above + below))
    if first is None or second is None or both is None:
        return None
    covariance = 0.5 * (both.error**2 - first.error**2 - second.error**2)
    lone = pd.Series(seed).groupby(np.asarray(cell)).nunique().min() < 2  # whose errors are guessed: they share nothing
    return Ratio(first, second, min(covariance, 0.0) if lone else covariance)


def mean_of(table: pd.DataFrame, column: str) -> Mean | None:
    """The same of a table's column; with columns `cell` and `seed`."""
    if table.empty:
        return None
    return mean_over_cells(table[column].to_numpy(dtype=float), table["cell"].to_numpy(), table["seed"].to_numpy())


def level_within(mean: Mean, metric: str) -> Mean:
    """The mean of a metric's values, whose interval ends where the metric does."""
    low, high = _bounds(metric)
    return replace(mean, least=low, most=high)


def difference_within(mean: Mean, metric: str, unit: float = 1.0) -> Mean:
    """The mean of differences between a metric's values, none of which is larger than its whole range.

    Args:
        unit: of the difference, in those of the metric.
    """
    low, high = _bounds(metric)
    return replace(mean, least=unit * (low - high), most=unit * (high - low))


def _bounds(metric: str) -> tuple[float, float]:
    """Of a metric of the user's own nothing is known here."""
    try:
        known = describe(metric)
    except ValueError:
        return -math.inf, math.inf
    return (-math.inf if known.low is None else known.low, math.inf if known.high is None else known.high)


def censored_mean(table: pd.DataFrame, column: str) -> Mean | None:
    """Mean of a column over cells, clustered by seed, with `censored` (-1, 0, 1).

    A value of which only a bound is known counts as the bound: the mean lies beyond, at no known distance, and the
    interval is open to that side. No distribution is assumed; a bound never narrows an interval.

    Returns:
        None with fewer than two seeds or no cell of two, or where there are bounds to both sides alone.
    """
    value, signs = table[column].to_numpy(dtype=float), table["censored"].to_numpy(dtype=int)
    if len(value) == 0 or (np.all(signs != 0) and len(set(signs)) > 1):
        return None
    bounds = mean_over_cells(value, table["cell"].to_numpy(), table["seed"].to_numpy())
    if bounds is None or not signs.any():
        return bounds
    above, below = (math.inf if (signs * side > 0).any() else bounds.error for side in (1, -1))
    return Mean(bounds.effect, below, bounds.freedom, above)


def share_of_seeds(succeeds: np.ndarray, cell: np.ndarray, seed: np.ndarray) -> Share | None:
    """Share of networks that succeed, mean over cells; the seeds are what is independent.

    Where cells lack some of the seeds, fewer are counted: as many as would say as much if all had the same weight
    (Kish 1965).

    Returns:
        None with fewer than two seeds.
    """
    frame = pd.DataFrame({"cell": cell, "seed": seed, "succeeds": np.asarray(succeeds, dtype=float)})
    frame["weight"] = 1.0 / (frame.groupby("cell")["seed"].transform("size") * frame["cell"].nunique())
    weights = frame.groupby("seed")["weight"].sum()
    count = int(1.0 / float(np.sum(weights**2)) + 1e-9) if len(weights) else 0
    if count < 2:
        return None
    return Share(float(np.sum(frame["weight"] * frame["succeeds"])) * count, count)
