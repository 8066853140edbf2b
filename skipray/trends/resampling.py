"""The parametric bootstrap with seed effects, vectorised over resamples.

Noise is drawn once for a series and shared by its curves; each curve adds its own fit to it. Axis letters: R resamples,
N values, S seeds, D depths, P parameters.
"""

from dataclasses import dataclass, replace

import numpy as np

from skipray.curves import Array
from skipray.trends import censoring
from skipray.trends.design import Design
from skipray.trends.fitted import FittedCurve, Resamples
from skipray.trends.projection import fit


@dataclass(frozen=True)
class Noise:
    values: Array
    """(R, N) independent noise of a value of weight 1 with spread 1."""
    seeds: Array
    """(R, N) seed effects, in the value's unit."""

    def at(self, spread: float) -> Array:
        return self.seeds + spread * self.values


def draw_noise(design: Design, y: Array, signs: np.ndarray, resamples: int, seed: int) -> Noise:
    """Noise for `resamples` repetitions of a series."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((resamples, len(y))) / np.sqrt(design.weight)
    between = np.sqrt(_seed_variance(design, y))
    draws = rng.standard_normal((resamples, int(design.seed_index.max()) + 1))
    return Noise(values, between * draws[:, design.seed_index])


def _seed_variance(design: Design, y: Array) -> float:
    """Variance of the seed effects by the method of moments; 0 where seeds cannot be told from depths."""
    if not design.clusters or design.effective == len(y) or design.saturated_freedom < 1:
        return 0.0
    within = float(design.saturated_squares(y[None])[0]) / design.saturated_freedom
    residual = y - (design.means @ y)[design.depth_index]
    count = np.bincount(design.seed_index)
    level = np.bincount(design.seed_index, residual) / count
    noise = within * np.mean(np.bincount(design.seed_index, 1 / design.weight) / count**2)
    return max(float(np.var(level, ddof=1)) - float(noise), 0.0)


def resample(fitted: FittedCurve, design: Design, y: Array, signs: np.ndarray, noise: Noise) -> FittedCurve:
    """The curve with its bootstrap estimates and covariances."""
    if signs.any():
        return censoring.resample_censored(fitted, design, y, signs, noise.values, noise.seeds)
    bound, depths = fitted.bound, design.depths
    drawn = noise.at(fitted.spread)
    fitted_means = bound.value(depths, fitted.linear, fitted.inner)
    found = fit(bound, depths, fitted_means + drawn @ design.means.T, design.root, iterations=12, tolerance=1e-5)
    truth = fitted_means[:, design.depth_index]
    again = bound.value(depths, found.linear, found.inner)[:, design.depth_index]
    return replace(
        fitted,
        resamples=Resamples(
            covariance=_covariance(fitted, design, y[None], fitted.linear, fitted.inner)[0],
            linear=found.linear,
            inner=found.inner,
            covariances=_covariance(fitted, design, truth + drawn, found.linear, found.inner, again),
        ),
    )


def _covariance(
    fitted: FittedCurve, design: Design, values: Array, linear: Array, inner: Array, curve: Array | None = None
) -> Array:
    """(R, P, P) covariance of the estimates from values (R, N): the sandwich over seeds, or the model's without seeds."""
    bound = fitted.bound
    slopes = bound.jacobian(design.depths, linear, inner)
    if curve is None:
        curve = bound.value(design.depths, linear, inner)[:, design.depth_index]
    residual = values - curve
    information = np.einsum("prd,qrd->rpq", slopes @ design.metric, slopes)
    # Unit diagonal, and a ridge that only exactly singular matrices notice.
    scale = np.sqrt(np.maximum(np.einsum("rpp->rp", information), 1e-300))
    scaled = information / scale[:, :, None] / scale[:, None, :] + 1e-13 * np.eye(bound.size)
    if not design.clusters:
        total = np.einsum("rn,rn->r", residual @ design.quadratic, residual)
        spread = total / max(design.effective - bound.size, 1)
        inverse = np.linalg.inv(scaled)
        return inverse * spread[:, None, None] / scale[:, :, None] / scale[:, None, :]
    shares = np.stack(
        [
            residual[:, design.seed_index == s] @ design.scores[:, design.seed_index == s].T
            for s in range(design.clusters)
        ],
        axis=-1,
    )
    pull = np.einsum("prd,rds->rps", slopes, shares) / scale[:, :, None]
    moves = np.linalg.solve(scaled, pull) / scale[:, :, None]
    moves -= moves.mean(axis=2, keepdims=True)
    factor = design.clusters / (design.clusters - 1)
    return factor * np.einsum("rps,rqs->rpq", moves, moves)
