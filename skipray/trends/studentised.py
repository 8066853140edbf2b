"""How far an estimate may lie from the truth, in its own standard errors.

The standard error is the sandwich over seeds, which holds whatever the values of one seed have in common (Cameron &
Miller 2015); without seeds the model's. In a balanced series (estimate - truth) / error follows Student's t with
seeds - 1 degrees of freedom for a straight line, and nearly so for a curve whose nonlinearity the profile takes up.
Where no exact distribution is known (unbalanced series, the largest of many errors) it is that of a parametric
bootstrap with seed effects, in which each resample gets its own error. Axis letters: R resamples, N values, D depths,
P parameters, K quantities.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy.special import stdtrit

from skipray.curves import Array
from skipray.trends.design import Design

COVERAGE = 0.95


@dataclass(frozen=True)
class Studentised:
    design: Design
    slopes: Array
    """(P, 1, D) derivatives of the curve at the estimates."""
    residual: Array
    """(1, N) values less the curve."""
    spread: float
    """Standard deviation of a value of weight 1."""
    resamples: int
    seed: int

    @property
    def freedom(self) -> int:
        if self.design.seeds:
            return self.design.seeds - 1
        return max(self.design.effective - len(self.slopes), 1)

    @cached_property
    def model(self) -> Array:
        """(P, P) covariance that the noise and the seed effects of the design give."""
        information, scale = scaled_information(self.design, self.slopes)
        return np.asarray(np.linalg.inv(information[0]) / scale[0] / scale[0][:, None] * self.spread**2)

    @cached_property
    def robust(self) -> Array:
        """(P, P) covariance that the seeds show."""
        return self.model if not self.design.seeds else _sandwich(self.design, self.slopes, self.residual)[0]

    def excess(self, weights: Array) -> Array:
        """(K,) by how much the squares, in units of spread**2, may exceed the least where a quantity is held at its
        limit; weights (P, K) are the quantities' derivatives with respect to the parameters."""
        return self._reach(weights) ** 2 * self._ratio(self.robust, weights)

    def excess_of_means(self, weights: Array, simultaneous: bool) -> Array:
        """The same for means of the curve, whose variances are shared along the band: one that the seeds show by chance
        as nearly 0, or as many times the model's, is a spike in the band and no news about the curve. All are drawn
        towards the mean over the depths that were tried, so that a band does not depend on where it is asked for."""
        ratio = shared(self._ratio(self.robust, weights), self._ratio(self.robust, self._tried))
        draws = self._draws(weights) if simultaneous or not self.design.balanced else None
        pointwise = self._reach(weights, draws) ** 2 * ratio
        if draws is None or not simultaneous:
            return pointwise
        moves, covariances, variance = draws
        model, there = _variance(self.model, weights), self._tried
        of_tried = variance if np.array_equal(weights, there) else _variance(covariances, there)
        drawn = shared(_over(variance, model), _over(of_tried, _variance(self.model, there)))
        away = np.abs(moves @ weights) / np.sqrt(np.where(model > 0, model, np.inf))
        farthest = (away / np.sqrt(np.maximum(drawn, 1e-300))).max(axis=1)
        return np.maximum(float(np.quantile(farthest, COVERAGE)) ** 2 * ratio, pointwise)

    @property
    def _tried(self) -> Array:
        """(P, D) derivatives of the curve at the depths that were tried."""
        return self.slopes[:, 0]

    def _ratio(self, covariance: Array, weights: Array) -> Array:
        """(..., K) variances that the seeds show, over the model's; 1 for a quantity that no value depends on."""
        return _over(_variance(covariance, weights), _variance(self.model, weights))

    def _reach(self, weights: Array, draws: "_Draws | None" = None) -> Array:
        exact = float(stdtrit(self.freedom, 0.5 + COVERAGE / 2))
        if self.design.balanced:
            return np.full(weights.shape[1], exact)
        moves, _, variance = draws if draws is not None else self._draws(weights)
        away = np.abs(moves @ weights)
        known = variance > 1e-24 * np.maximum(away, 1e-300) ** 2
        t = np.where(known, away / np.sqrt(np.where(known, variance, 1.0)), 0.0)
        return np.maximum(np.quantile(t, COVERAGE, axis=0), exact)

    def _draws(self, weights: Array) -> "_Draws":
        design, flat = self.design, self.slopes[:, 0]
        half = (self.resamples + 1) // 2
        probability = design.variances.probability
        normal, allowed, seeds = _drawn(self.seed, half, len(design.depth_index), design.seeds, tuple(probability))
        noise = self.spread * normal / np.sqrt(design.weight)
        # As much noise at each depth as the series allows: the weights are themselves estimates.
        noise *= np.sqrt(design.variances.probable[allowed])[:, design.depth_index]
        if design.seeds:
            noise += (np.sqrt(design.seed_variance) * seeds)[:, design.seed_index]
        noise = np.concatenate([noise, -noise])[: self.resamples]
        pull = noise @ design.scores.T @ flat.T
        moves = pull @ np.linalg.pinv(flat @ design.metric @ flat.T, hermitian=True)
        residual = noise - (moves @ flat)[:, design.depth_index]
        if design.seeds:
            covariances = _sandwich(design, self.slopes, residual)
        else:
            spread = np.einsum("rn,rn->r", residual @ design.quadratic, residual) / self.freedom
            covariances = self.model * (spread / self.spread**2)[:, None, None]
        return moves, covariances, _variance(covariances, weights)


_Draws = tuple[Array, Array, Array]
"""Moves of the estimates (R, P), their covariances (R, P, P), and with these the quantities' variances (R, K), of the
curve made linear at its estimates."""


@lru_cache(maxsize=2)
def _drawn(
    seed: int, half: int, values: int, seeds: int, probability: tuple[float, ...]
) -> tuple[Array, np.ndarray, Array]:
    """Noise (half, values), which variances (half,), and seed effects (half, seeds), of variance 1. All curves of a
    series have the same."""
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal((half, values))
    allowed = rng.choice(len(probability), half, p=probability)
    return normal, allowed, rng.standard_normal((half, seeds))


OWN_SHARE = 0.5
"""Of a variance in a band: the rest is shared by all of the band's points; ours."""


def shared(ratio: Array, over: Array | None = None) -> Array:
    """Ratios (..., K) of the variances that the seeds show to the model's, drawn towards their mean over the band, or
    over the points of `over` (..., D).

    With 3 seeds a variance has 2 degrees of freedom, and somewhere along a band one of them is nearly 0: the largest of
    many t values is then huge, which made bands of 10 and more standard errors. The mean over the band has more degrees
    of freedom, as a moderated t has (Smyth 2004)."""
    whole = ratio if over is None else over
    return OWN_SHARE * ratio + (1 - OWN_SHARE) * whole.mean(axis=-1, keepdims=True)


def _over(seen: Array, model: Array) -> Array:
    """(..., K) variances over the model's; 1 for a quantity that no value depends on."""
    known = (seen > 0) & (model > 0)
    return np.asarray(np.where(known, seen, 1.0) / np.where(known, model, 1.0))


def _variance(covariance: Array, weights: Array) -> Array:
    """(..., K) of quantities with derivatives weights (P, K), for covariances (..., P, P)."""
    return np.asarray(np.sum((covariance @ weights) * weights, axis=-2))


def scaled_information(design: Design, slopes: Array, ridge: float = 1e-13) -> tuple[Array, Array]:
    """(R, P, P) with a unit diagonal, and the scales (R, P) that make it so, of slopes (P, R, D)."""
    information = np.einsum("prd,qrd->rpq", slopes @ design.metric, slopes)
    scale = np.sqrt(np.maximum(np.einsum("rpp->rp", information), 1e-150))
    # So small a ridge that only matrices that are singular, or nearly so, notice it.
    scaled = information / scale[:, :, None] / scale[:, None, :] + ridge * np.eye(len(slopes))
    return scaled, scale


def _sandwich(design: Design, slopes: Array, residual: Array) -> Array:
    """(R, P, P) covariance from how much each seed pulls the estimates: slopes (P, 1, D), residual (R, N)."""
    information, scale = scaled_information(design, slopes)
    shares = np.stack(
        [residual[:, design.seed_index == s] @ design.scores[:, design.seed_index == s].T for s in range(design.seeds)],
        axis=-1,
    )  # (R, D, seeds)
    inverse = np.linalg.inv(information[0]) / scale[0]
    moves = (inverse / scale[0][:, None]) @ slopes[:, 0] @ shares
    moves -= moves.mean(axis=2, keepdims=True)
    return design.seeds / (design.seeds - 1) * (moves @ moves.transpose(0, 2, 1))
