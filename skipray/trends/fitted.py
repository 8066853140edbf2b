"""One curve fitted to one series: estimates, AICc, errors at left-out depths, and, once resampled, intervals."""

from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from skipray.curves import Array
from skipray.trends.design import Design
from skipray.trends.projection import BoundCurve, fit


@dataclass(frozen=True)
class Pivot:
    """The resamples of the linearised curve, whose studentised moves follow Student's t exactly.

    They share the resamples' noise, so that quantiles of the curve's own are known far better relative to theirs (a
    control variate): 1,000 resamples alone know a quantile of t with 2 degrees of freedom to a tenth only.
    """

    moves: Array
    """(R, P)."""
    covariances: Array
    """(R, P, P)."""
    freedom: int


@dataclass(frozen=True)
class Resamples:
    """Bootstrap estimates of a curve and the covariance of each. Axis letters: P parameters, R resamples."""

    covariance: Array
    """(P, P) of the estimates, nonlinear ones in internal coordinates."""
    linear: Array
    """(L, R)."""
    inner: Array
    """(Q, R)."""
    covariances: Array
    """(R, P, P)."""
    pivot: Pivot | None
    """None where no exact distribution is known: unbalanced or censored series."""


@dataclass(frozen=True)
class FittedCurve:
    bound: BoundCurve
    linear: Array
    """(L, 1)."""
    inner: Array
    """(Q, 1)."""
    squares: Array | float
    """Weighted squares of the adjusted depth means about the curve."""
    spread: float
    """Standard deviation of a value of weight 1, without the seed effects where these are fitted."""
    aicc: float
    """Corrected Akaike criterion, up to a constant of the series; infinite where there are too few values for it."""
    resamples: Resamples | None = field(repr=False, default=None)

    @property
    def name(self) -> str:
        return self.bound.name

    def intervals(self) -> dict[str, tuple[float, float, float]]:
        """Name -> (estimate, low, high), 95 %, in the order of the curve's file."""
        assert self.resamples is not None
        estimate = np.concatenate([self.linear, self.inner])[:, 0]
        replica = np.concatenate([self.resamples.linear, self.resamples.inner])
        error = np.sqrt(np.diag(self.resamples.covariance))
        errors = np.sqrt(np.maximum(np.einsum("rpp->pr", self.resamples.covariances), 0.0))
        low, high = self._limits(estimate, error, replica.T, errors.T, np.eye(len(estimate)))
        out = {}
        for k, name in enumerate((*self.bound.linear, *self.bound.nonlinear)):
            triple = np.array([estimate[k], low[k], high[k]])
            if self.bound.positive[k]:
                with np.errstate(over="ignore"):
                    triple = np.exp(triple)
            out[name] = (float(triple[0]), float(triple[1]), float(triple[2]))
        out |= {name: (value, value, value) for name, value in self.bound.fixed.items()}
        return {n: out[n] for n in (*self.bound.entry.LINEAR, *self.bound.entry.NONLINEAR)}

    def band(self, at: Array, simultaneous: bool) -> Array:
        """(3, depths): mean, low and high."""
        assert self.resamples is not None
        mean = self.bound.value(at, self.linear, self.inner)[0]
        slopes = self.bound.jacobian(at, self.linear, self.inner)
        error = np.sqrt(np.einsum("prd,pq,qrd->d", slopes, self.resamples.covariance, slopes))
        replica = self.bound.value(at, self.resamples.linear, self.resamples.inner)
        moved = self.bound.jacobian(at, self.resamples.linear, self.resamples.inner)
        errors = np.sqrt(
            np.maximum(np.einsum("prd,rpq,qrd->rd", moved, self.resamples.covariances, moved, optimize=True), 0.0)
        )
        low, high = self._limits(mean, error, replica, errors, slopes[:, 0], simultaneous)
        return np.stack([mean, low, high])

    def _limits(
        self, estimate: Array, error: Array, replica: Array, errors: Array, weights: Array, simultaneous: bool = False
    ) -> tuple[Array, Array]:
        """Bootstrap-t limits of K functions of the parameters: estimate and error (K,), replica and errors (R, K), and
        their derivatives with respect to the parameters, weights (P, K)."""
        assert self.resamples is not None
        t = _studentised(replica - estimate, error, errors)
        pivot = self.resamples.pivot
        reference = None
        if pivot is not None:
            variances = np.einsum("pk,rpq,qk->rk", weights, pivot.covariances, weights, optimize=True)
            reference = _studentised(pivot.moves @ weights, error, np.sqrt(np.maximum(variances, 0.0)))
        if simultaneous:
            reach = np.quantile(np.abs(t).max(axis=1), 0.95)
            if pivot is not None and reference is not None:
                exact = float(stats.t.ppf(0.975, pivot.freedom))
                reach *= np.mean(_ratio(exact, np.quantile(np.abs(reference), 0.95, axis=0)))
            return estimate - reach * error, estimate + reach * error
        below, above = np.quantile(t, [0.025, 0.975], axis=0)
        if pivot is not None and reference is not None:
            exact = float(stats.t.ppf(0.975, pivot.freedom))
            drawn = np.quantile(reference, [0.025, 0.975], axis=0)
            below, above = below * _ratio(-exact, drawn[0]), above * _ratio(exact, drawn[1])
        return estimate - above * error, estimate - below * error

    def left_out_error(self, design: Design, y: Array, signs: np.ndarray) -> float | None:
        """Root mean square error at a depth when its values are left out; None where a fit needs every depth."""
        count = len(design.depths)
        if count - 1 < self.bound.size or signs.any():
            return None
        means = np.repeat((design.means @ y)[None], count, axis=0)
        mask = 1.0 - np.eye(count)
        start = np.repeat(self.inner, count, axis=1)
        left = fit(self.bound, design.depths, means, design.root, start=start, mask=mask, iterations=8, tolerance=1e-4)
        guess = np.diagonal(self.bound.value(design.depths, left.linear, left.inner))
        return float(np.sqrt(np.mean((guess - means[0]) ** 2)))


def corrected_akaike(total: float, count: int, size: int) -> float:
    k = size + 1
    if count - k - 1 <= 0:
        return float("inf")
    return count * float(np.log(total / count)) + 2 * k + 2 * k * (k + 1) / (count - k - 1)


def _studentised(moves: Array, error: Array, errors: Array) -> Array:
    """(R, K) moves in their own standard errors (R, K); error (K,) is that of the series itself."""
    # A resample in which a parameter is not identified has no standard error and says nothing about the quantiles.
    known = errors > 1e-12 * np.maximum(error, 1e-300)
    return np.where(known, moves / np.where(known, errors, 1.0), 0.0)


def _ratio(exact: float, drawn: Array) -> Array:
    """Factor that corrects a quantile for what the draws got wrong about the exactly known one."""
    return np.where(np.abs(drawn) > 1e-3, exact / np.where(np.abs(drawn) > 1e-3, drawn, 1.0), 1.0)
