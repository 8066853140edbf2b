"""A depth series as a linear design: depths and seeds, weights, and the reduction to one adjusted mean a depth.

A value is modelled as curve(depth) + seed effect + noise. With the seed effects as contrasts Z (they sum to zero) and
weights W, least squares over the values is least squares over the D adjusted depth means `means @ value` in the metric
`metric`, exactly: metric = E'QE and means = metric^-1 E'Q with Q = W - WZ (Z'WZ)^-1 Z'W and E the depth indicator. In a
balanced series the adjusted means are the means and the metric is diagonal. `with_seed_effects` adds to the metric what
all means have in common, the mean of the seed effects.
"""

from dataclasses import dataclass, replace

import numpy as np

from skipray.curves import Array


@dataclass(frozen=True)
class Variances:
    """The noise at each depth, as far as a series tells."""

    relative: Array
    """(depths,) most probable variances, of geometric mean 1."""
    probable: Array
    """(variances, depths): other variances that the series allows, over `relative`, where the noise of weight 1 is as
    large as each of them makes it."""
    probability: Array
    """(variances,) of each, sum 1."""


@dataclass(frozen=True)
class Design:
    depths: Array
    """(depths,) distinct, rising."""
    depth_index: np.ndarray
    """(values,) position of each value's depth."""
    seed_index: np.ndarray
    """(values,) position of each value's seed; all different when no seeds were given."""
    seeds: int
    """Seeds over which intervals are clustered; 0 when values are taken as independent."""
    weight: Array
    """(values,) inverse of the relative variance."""
    metric: Array
    """(depths, depths): the inverse covariance of the adjusted means, for noise of variance 1."""
    root: Array
    """(depths, depths) upper triangular, root.T @ root = metric."""
    means: Array
    """(depths, values): adjusted depth means are means @ value."""
    scores: Array
    """(depths, values): metric @ means; a seed's share of the score is scores[:, of the seed] @ residuals."""
    quadratic: Array
    """(values, values): Q."""
    effective: int
    """Number of values less the seed contrasts that were fitted."""
    seed_variance: float
    """Variance of the seed effects, in the value's unit squared."""
    variances: Variances

    @property
    def balanced(self) -> bool:
        """Whether every seed has as many values at every depth; true without seeds."""
        if not self.seeds:
            return True
        table = np.zeros((len(self.depths), self.seeds))
        np.add.at(table, (self.depth_index, self.seed_index), 1)
        return bool(np.all(table == table[0, 0]))

    @property
    def saturated_freedom(self) -> int:
        """Degrees of freedom that a mean for each depth leaves."""
        return self.effective - len(self.depths)

    def saturated_squares(self, values: Array) -> Array:
        """Weighted squares about the adjusted depth means: values (resamples, values) -> (resamples,)."""
        away = values - (values @ self.means.T)[:, self.depth_index]
        return np.maximum(np.einsum("rn,rn->r", away @ self.quadratic, away), 0.0)


def build_design(depth: Array, seed: np.ndarray | None, variances: Variances | None = None) -> Design:
    """The design of a series: depth (values,), seed (values,) or None; without variances all values weigh the same."""
    depths, depth_index = np.unique(depth, return_inverse=True)
    count = len(depth)
    if variances is None:
        even = np.ones(len(depths))
        variances = Variances(even, even[None], np.ones(1))
    weight = 1 / variances.relative[depth_index]
    if seed is None:
        seed_index, seeds = np.arange(count), count
    else:
        _, seed_index = np.unique(seed, return_inverse=True)
        seeds = int(seed_index.max()) + 1
    indicator = np.eye(len(depths))[depth_index]
    contrasts = _seed_contrasts(seed_index, seeds, indicator) if seed is not None else np.empty((count, 0))
    weighted = weight[:, None] * contrasts
    quadratic = np.diag(weight)
    if contrasts.shape[1]:
        quadratic -= weighted @ np.linalg.solve(contrasts.T @ weighted, weighted.T)
    scores = indicator.T @ quadratic
    metric = scores @ indicator
    metric = (metric + metric.T) / 2
    means: Array = np.linalg.solve(metric, scores).astype(float)
    return Design(
        depths=depths,
        depth_index=depth_index,
        seed_index=seed_index,
        seeds=seeds if seed is not None and seeds > 1 else 0,
        weight=weight,
        metric=metric,
        root=_root(metric),
        means=means,
        scores=scores,
        quadratic=quadratic,
        effective=count - contrasts.shape[1],
        seed_variance=0.0,
        variances=variances,
    )


def _root(metric: Array) -> Array:
    return np.asarray(np.linalg.cholesky(metric).T, dtype=float)


def with_seed_effects(design: Design, y: Array) -> Design:
    """The design whose metric knows the seed effects, as large as the values y (values,) show them.

    Their mean moves all adjusted means alike. For a curve with a free level this changes no estimate, only what is
    said about the level's error.
    """
    variance, noise = _seed_variance(design, y)
    if variance <= 0 or noise <= 0:
        return design
    pull = design.metric.sum(axis=1)
    # At most a thousand times the noise, so that the metric stays regular.
    between = min(variance / noise / design.seeds, 1e6 / float(pull.sum()))
    metric = design.metric - np.outer(pull, pull) * between / (1 + between * pull.sum())
    return replace(design, metric=metric, root=_root(metric), scores=metric @ design.means, seed_variance=variance)


def _seed_variance(design: Design, y: Array) -> tuple[float, float]:
    """Variances of the seed effects and of a value of weight 1, by the method of moments; (0, 0) where seeds cannot be
    told from depths.

    A seed's level is its weighted mean: the scatter of the deepest networks, forty times that of the shallow ones,
    would else pass for seed effects and widen the bands of the shallow ones."""
    if not design.seeds or design.effective == len(y) or design.saturated_freedom < 1:
        return 0.0, 0.0
    within = float(design.saturated_squares(y[None])[0]) / design.saturated_freedom
    residual = y - (design.means @ y)[design.depth_index]
    known = np.bincount(design.seed_index, design.weight)
    level = np.bincount(design.seed_index, design.weight * residual) / known
    noise = within * np.mean(1 / known)
    return max(float(np.var(level, ddof=1)) - float(noise), 0.0), within


def _seed_contrasts(seed_index: np.ndarray, seeds: int, indicator: Array) -> Array:
    """(values, seeds - 1) columns that sum to zero over seeds; none where seeds cannot be told from depths or
    would take up all that the values know."""
    columns = np.vstack([np.eye(seeds - 1), -np.ones(seeds - 1)])[seed_index]
    both = np.hstack([indicator, columns])
    if seeds < 2 or len(both) == both.shape[1] or np.linalg.matrix_rank(both) < both.shape[1]:
        return np.empty((len(seed_index), 0))
    return columns
