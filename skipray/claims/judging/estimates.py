"""Means and changes whose intervals hold at 3 to 10 seeds: clustered by seed, t on seeds - 1 degrees of freedom."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from skipray.claims.judging.evidence import Mean, Ratio, Share
from skipray.metrics import describe
from skipray.trends import fit_depth_trend

ROUNDING = float(np.finfo(np.float32).eps)
"""Of what was measured: a standard deviation below it, as a share of the values, is no knowledge."""


def mean_over_cells(value: np.ndarray, cell: np.ndarray, seed: np.ndarray) -> Mean | None:
    """Mean over cells of the cell means, its standard error clustered by seed, seeds - 1 degrees of freedom.

    Args:
        value, cell, seed: (values,). Values of one seed may have anything in common.

    Returns:
        None with fewer than two seeds.
    """
    names, seeds = np.unique(seed, return_inverse=True)
    if len(names) < 2:
        return None
    _, cells = np.unique(cell, return_inverse=True)
    counts = np.bincount(cells)
    means = np.bincount(cells, value) / counts
    share = 1.0 / (counts[cells] * len(counts))
    moves = np.bincount(seeds, share * (value - means[cells]))
    error = float(np.sqrt(len(names) / (len(names) - 1) * np.sum(moves**2)))
    least = ROUNDING * max(1.0, float(np.abs(value).max())) / np.sqrt(len(names))
    return Mean(float(means.mean()), max(error, float(least)), len(names) - 1)


def ratio_over_cells(above: np.ndarray, below: np.ndarray, cell: np.ndarray, seed: np.ndarray) -> Ratio | None:
    """Ratio of two such means; (values,) each."""
    first, second, both = (mean_over_cells(value, cell, seed) for value in (above, below, above + below))
    if first is None or second is None or both is None:
        return None
    return Ratio(first, second, 0.5 * (both.error**2 - first.error**2 - second.error**2))


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
    """Mean of a column over cells, clustered by seed; by likelihood where values are censored."""
    seeds = table["seed"].to_numpy()
    if len(np.unique(seeds)) < 2:
        return None
    value, signs = table[column].to_numpy(dtype=float), table["censored"].to_numpy(dtype=int)
    if not signs.any():
        return mean_over_cells(value, table["cell"].to_numpy(), seeds)
    _, cell = np.unique(table["cell"], return_inverse=True)
    freedom = len(np.unique(seeds)) - 1
    if np.all(signs != 0):
        # Only bounds: the mean lies beyond theirs, at no known distance, if all are on one side.
        bounds = mean_over_cells(value, cell, seeds)
        if bounds is None or len(set(signs)) > 1:
            return None
        inf = float("inf")
        ends = (bounds.error, inf) if signs[0] > 0 else (inf, bounds.error)
        return Mean(bounds.effect, ends[0], freedom, ends[1])
    # The cells take the place of depths: a constant over them is their mean.
    trend = fit_depth_trend(cell + 1.0, value, censored=signs, seed=seeds, curves=["constant"])
    if not trend.parameters:
        return None
    mean, low, high = trend.parameters["level"]
    quantile = float(stdtrit(freedom, 0.975))
    return Mean(mean, (mean - low) / quantile, freedom, (high - mean) / quantile)


def change_over_depths(table: pd.DataFrame, stratum: np.ndarray) -> Mean | None:
    """`value` at the deepest depth less that at the shallowest, seed by seed, mean over the strata.

    Args:
        table: `depth, seed, value`.
        stratum: (rows,) the combination of the other factors.

    Returns:
        None with fewer than two depths, or fewer than two seeds that have both.
    """
    rows = []
    for name, one in table.assign(cell=stratum).groupby("cell", sort=False):
        shallow, deep = (one[one["depth"] == end].set_index("seed")["value"] for end in _ends(one["depth"]))
        if one["depth"].nunique() > 1:
            both = (deep - shallow).dropna()
            rows += [(name, seed, value) for seed, value in both.items()]
    return mean_of(pd.DataFrame(rows, columns=["cell", "seed", "change"]), "change")


def _ends(depth: pd.Series) -> tuple[int, int]:
    return int(depth.min()), int(depth.max())


def line_over_depths(table: pd.DataFrame, stratum: np.ndarray) -> float:
    """Rise of `value` over the depths tried along a line in log depth that is parallel in every stratum; NaN for one
    depth. Arguments as of `change_over_depths`."""
    log_depth = np.log(table["depth"].to_numpy(dtype=float))
    value = table["value"].to_numpy(dtype=float)
    level = log_depth - pd.Series(log_depth).groupby(stratum).transform("mean").to_numpy()
    about = value - pd.Series(value).groupby(stratum).transform("mean").to_numpy()
    spread = float(np.sum(level**2))
    return float(np.ptp(log_depth) * (level @ about) / spread) if spread > 0 else float("nan")


def share_of_seeds(succeeds: np.ndarray, cell: np.ndarray, seed: np.ndarray) -> Share | None:
    """Share of networks that succeed, mean over cells; the seeds are what is independent.

    Returns:
        None with fewer than two seeds.
    """
    names = np.unique(seed)
    if len(names) < 2:
        return None
    frame = pd.DataFrame({"cell": cell, "seed": seed, "succeeds": np.asarray(succeeds, dtype=float)})
    return Share(float(frame.groupby("cell")["succeeds"].mean().mean()) * len(names), len(names))
