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


def build_design(depth: Array, seed: np.ndarray | None, weight: Array) -> Design:
    """The design of a series: depth (values,), seed (values,) or None, weight (values,)."""
    depths, depth_index = np.unique(depth, return_inverse=True)
    count = len(depth)
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
    told from depths."""
    if not design.seeds or design.effective == len(y) or design.saturated_freedom < 1:
        return 0.0, 0.0
    within = float(design.saturated_squares(y[None])[0]) / design.saturated_freedom
    residual = y - (design.means @ y)[design.depth_index]
    count = np.bincount(design.seed_index)
    level = np.bincount(design.seed_index, residual) / count
    noise = within * np.mean(np.bincount(design.seed_index, 1 / design.weight) / count**2)
    return max(float(np.var(level, ddof=1)) - float(noise), 0.0), within


def _seed_contrasts(seed_index: np.ndarray, seeds: int, indicator: Array) -> Array:
    """(values, seeds - 1) columns that sum to zero over seeds; none where seeds cannot be told from depths or
    would take up all that the values know."""
    columns = np.vstack([np.eye(seeds - 1), -np.ones(seeds - 1)])[seed_index]
    both = np.hstack([indicator, columns])
    if seeds < 2 or len(both) == both.shape[1] or np.linalg.matrix_rank(both) < both.shape[1]:
        return np.empty((len(seed_index), 0))
    return columns


VARIANCE_PRIOR = 2.0
"""Standard deviation of the prior on the power of depth that the variance follows. Ours: standard deviations over seeds
grow up to forty-fold from 8 layers to 110 (a power of 2.8) in real sweeps, which a narrow prior would not let the
weights follow: bands at shallow depths were then many times too wide (tests/benchmarks/bench_bands.py)."""


def variance_weights(depth: Array, seed: np.ndarray | None, value: Array) -> Array:
    """Weights (values,) from a variance function pooled over all depths: variance ~ depth ** power.

    The power maximises the restricted likelihood of depths and seeds together (Patterson & Thompson 1971), times a
    normal prior around 0: seed effects are taken out with the weights that each power gives. Taken out with equal
    weights, the scatter of the deepest networks would leak into the variances of shallow ones, which are hundreds of
    times smaller. Per-depth variances of 3 to 5 seeds are far too noisy to be weights themselves.
    """
    equal = np.ones(len(depth))
    design = build_design(depth, seed, equal)
    freedom = np.bincount(design.depth_index) - 1.0
    if design.saturated_freedom < 3:
        return equal
    residual = value - (design.means @ value)[design.depth_index]
    if np.sum(residual**2) <= 1e-24 * max(1.0, float(np.sum(value**2))):
        return equal
    log_depth = np.log(design.depths) - np.log(design.depths).mean()
    power = np.linspace(-6, 6, 241)
    weight = np.exp(-power[:, None] * log_depth)[:, design.depth_index]  # (powers, values)
    left, lost = np.tile(residual, (len(power), 1)), 0.0
    criterion = -0.5 * power * (freedom @ log_depth)
    if design.effective < len(value):
        seeds = np.eye(design.seed_index.max() + 1)[design.seed_index]
        share = weight @ seeds
        left -= ((weight * residual) @ seeds / share)[:, design.seed_index]
        lost = seeds.shape[1] - 1.0
        criterion -= 0.5 * lost * np.log(share).mean(axis=1)
    squares = np.sum(weight * left**2, axis=1)
    criterion -= 0.5 * (freedom.sum() - lost) * np.log(np.maximum(squares, 1e-300))
    best = power[np.argmax(criterion - 0.5 * (power / VARIANCE_PRIOR) ** 2)]
    return np.exp(-best * log_depth)[design.depth_index]
