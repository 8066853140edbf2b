"""Means and slopes whose intervals hold at 3 to 10 seeds: clustered by seed, t on seeds - 1 degrees of freedom."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from skipray.claims.verdict import Part
from skipray.trends import fit_depth_trend


@dataclass(frozen=True)
class Estimate:
    """A mean with what its interval needs."""

    mean: float
    error: float
    """Standard error, as it tells the mean from what lies below it."""
    freedom: int
    error_above: float | None = None
    """The same towards what lies above, where that differs: censored values leave one side open (infinite)."""

    def part(self, label: str, unit: str, margin: float, wanted: Literal["above", "below"] = "above") -> Part:
        """The estimate held against a margin, with quantiles of t."""
        above = self.error if self.error_above is None else self.error_above
        reach = float(stdtrit(self.freedom, 0.975))
        ahead = self.mean - margin if wanted == "above" else margin - self.mean
        error = self.error if margin < self.mean else above
        if error > 0:
            p = float(stdtr(self.freedom, -ahead / error))
        else:
            p = 0.0 if ahead > 0 else 1.0
        return Part(
            label, self.mean, unit, self.mean - reach * self.error, self.mean + reach * above, p, margin, wanted
        )


def mean_over_cells(value: np.ndarray, cell: np.ndarray, seed: np.ndarray, floor: float = 0.0) -> Estimate | None:
    """Mean over cells of the cell means, its standard error clustered by seed, seeds - 1 degrees of freedom.

    Args:
        value, cell, seed: (values,). Values of one seed may have anything in common.
        floor: smallest standard deviation that a seed's mean can have, such as that of rounding.

    Returns:
        None with fewer than two seeds.
    """
    _, cells = np.unique(cell, return_inverse=True)
    names, seeds = np.unique(seed, return_inverse=True)
    if len(names) < 2:
        return None
    counts = np.bincount(cells)
    means = np.bincount(cells, value) / counts
    share = 1.0 / (counts[cells] * len(counts))
    moves = np.bincount(seeds, share * (value - means[cells]))
    error = float(np.sqrt(len(names) / (len(names) - 1) * np.sum(moves**2)))
    return Estimate(float(means.mean()), max(error, floor / float(np.sqrt(len(names)))), len(names) - 1)


def censored_mean(table: pd.DataFrame, column: str) -> Estimate | None:
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
        return Estimate(bounds.mean, ends[0], freedom, ends[1])
    # The cells take the place of depths: a constant over them is their mean.
    trend = fit_depth_trend(cell + 1.0, value, censored=signs, group=seeds, curves=["constant"])
    if not trend.parameters:
        return None
    mean, low, high = trend.parameters["level"]
    quantile = float(stdtrit(freedom, 0.975))
    return Estimate(mean, (mean - low) / quantile, freedom, (high - mean) / quantile)


def slope_over_depths(table: pd.DataFrame, stratum: np.ndarray) -> Estimate | None:
    """Rise of `value` over the depths tried, along a line in log depth that is parallel in every stratum, clustered by
    seed. table has `depth, seed, value`; stratum (rows,) is the combination of the other factors."""
    log_depth = np.log(table["depth"].to_numpy(dtype=float))
    value = table["value"].to_numpy(dtype=float)
    level = log_depth - pd.Series(log_depth).groupby(stratum).transform("mean").to_numpy()
    about = value - pd.Series(value).groupby(stratum).transform("mean").to_numpy()
    spread = float(np.sum(level**2))
    names, seeds = np.unique(table["seed"], return_inverse=True)
    if spread == 0 or len(names) < 2:
        return None
    slope = float(level @ about) / spread
    moves = np.bincount(seeds, level * (about - slope * level)) / spread
    moves -= moves.mean()
    span = float(np.ptp(log_depth))
    error = float(np.sqrt(len(names) / (len(names) - 1) * np.sum(moves**2)))
    return Estimate(span * slope, span * error, len(names) - 1)
