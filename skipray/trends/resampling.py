"""The parametric bootstrap with seed effects, vectorised over resamples.

Noise is drawn once for a series and shared by its curves; each curve adds its own fit to it. Axis letters: R resamples,
N values, S seeds, D depths, P parameters.
"""

from dataclasses import dataclass, replace

import numpy as np

from skipray.curves import Array
from skipray.trends import censoring
from skipray.trends.design import Design
from skipray.trends.fitted import FittedCurve, Pivot, Resamples
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
    half = (resamples + 1) // 2
    # In opposite pairs, so that both tails are known equally well.
    values = _with_opposites(rng.standard_normal((half, len(y))))[:resamples] / np.sqrt(design.weight)
    between = np.sqrt(_seed_variance(design, y))
    draws = _with_opposites(rng.standard_normal((half, int(design.seed_index.max()) + 1)))[:resamples]
    return Noise(values, between * draws[:, design.seed_index])


def _with_opposites(draws: Array) -> Array:
    return np.concatenate([draws, -draws])


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
    means = bound.value(depths, fitted.linear, fitted.inner)
    slopes = bound.jacobian(depths, fitted.linear, fitted.inner)
    noise_means = drawn @ design.means.T
    found = fit(bound, depths, means + noise_means, design.root, thinning=2, iterations=8, tolerance=1e-4)
    moved = bound.value(depths, found.linear, found.inner) - means
    again = bound.jacobian(depths, found.linear, found.inner)
    return replace(
        fitted,
        resamples=Resamples(
            covariance=_covariances(design, slopes, y - means[:, design.depth_index])[0],
            linear=found.linear,
            inner=found.inner,
            covariances=_covariances(design, again, drawn - moved[:, design.depth_index]),
            pivot=_linearised(design, slopes, drawn, noise_means) if design.balanced else None,
        ),
    )


def _linearised(design: Design, slopes: Array, drawn: Array, noise_means: Array) -> Pivot:
    """What the resamples would be, were the curve linear in its parameters: slopes (P, 1, D), drawn (R, N)."""
    flat = slopes[:, 0]
    moves = noise_means @ design.metric @ flat.T @ np.linalg.pinv(flat @ design.metric @ flat.T, hermitian=True)
    residual = drawn - (moves @ flat)[:, design.depth_index]
    freedom = design.clusters - 1 if design.clusters else design.effective - len(flat)
    wide = np.broadcast_to(slopes, (len(flat), len(drawn), flat.shape[1]))
    return Pivot(moves, _covariances(design, wide, residual), freedom)


def _covariances(design: Design, slopes: Array, residual: Array) -> Array:
    """(R, P, P) covariance of the estimates from slopes (P, R, D) and residuals (R, N): the sandwich over seeds, or the
    model's without seeds."""
    size = len(slopes)
    information = np.einsum("prd,qrd->rpq", slopes @ design.metric, slopes)
    # Unit diagonal, and a ridge that only exactly singular matrices notice.
    scale = np.sqrt(np.maximum(np.einsum("rpp->rp", information), 1e-300))
    scaled = information / scale[:, :, None] / scale[:, None, :] + 1e-13 * np.eye(size)
    if not design.clusters:
        total = np.einsum("rn,rn->r", residual @ design.quadratic, residual)
        spread = total / max(design.effective - size, 1)
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
