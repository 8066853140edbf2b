"""Depth trends: which curve a depth series follows, with intervals that cover at 3 to 10 seeds.

How the intervals come about: each curve is fitted by weighted least squares, or by likelihood where values are
censored; a limit is where the profile of the squares (`squares_profile`) or of the likelihood (`likelihood_profile`)
has left the least by as much as the seeds' own scatter allows, with t's quantile on seeds - 1 degrees of freedom or a
bootstrap's (`studentised`). `predict` averages over the curves with their AICc weights (Burnham & Anderson 2002, 4.3;
`averaging`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import fdtrc

from skipray.curves import Array
from skipray.extension import catalog
from skipray.trends.averaging import averaged_limits
from skipray.trends.bound_curve import BoundCurve
from skipray.trends.design import Design, build_design
from skipray.trends.fitted import FittedCurve, LimitsFound, around
from skipray.trends.fitting import Observed, fit_curves, left_out_errors
from skipray.trends.given import seeds_of, signs_of
from skipray.trends.in_step import in_step
from skipray.trends.levels import cut_levels, notes_of_levels
from skipray.trends.variances import estimate_variances
from skipray.wording import counted

TOO_FEW_DEPTHS = "too few depths"
NO_CURVE_FITS = "no curve fits"

TIED = 4.0
"""Curves whose AICc is within 4 of the best count as tied. Burnham & Anderson (2002, section 2.6) call support
substantial within 2 and weak from 4; with seven curves, one of the six others beats a true simple one by more than 2
in a tenth of series, by more than 4 in a few per cent (tests/benchmarks/bench_coverage.py)."""

LACK_OF_FIT_LEVEL = 0.001
"""p of the lack-of-fit F test below which no curve fits. Strict, since a sweep fits hundreds of series."""

NOTED_LACK_OF_FIT = 0.01
"""p below which a curve that still counts as fitting has a note that it fits poorly."""

NEGLIGIBLE_WEIGHT = 0.01
"""Curves below this share of the AICc weight get no intervals and no say in predictions."""


@dataclass(frozen=True)
class DepthTrend:
    """A curve fitted to a depth series, with 95 % intervals."""

    curve: str | None
    """The simplest of the tied curves, the heaviest of equals; None when there are too few depths."""
    parameters: dict[str, tuple[float, float, float]]
    """Name -> (estimate, low, high) of that curve. A fixed parameter is its value, three times. A limit is infinite (0
    for a positive parameter) where the data set none: a level that lies beyond the bound of censored values."""
    weights: dict[str, float]
    """Curve -> AICc weight; the curves that could be fitted, summing to 1."""
    verdict: str
    """The curve's name, "too few depths" or "no curve fits"."""
    tied: tuple[str, ...]
    """Curves that the data cannot tell from the best one."""
    left_out_error: dict[str, float]
    """Curve -> root mean square error at a depth that was left out of its fit, in the value's unit."""
    lack_of_fit: float | None
    """p of the F test of the curve against a mean for each depth; None without replicates."""
    notes: tuple[str, ...]
    """What limits these results, in words."""
    _fits: tuple[FittedCurve, ...] = field(repr=False, default=())
    """Those with a say in predictions, the chosen curve first."""
    _unit: float = field(repr=False, default=1.0)
    """What the fits' values are multiples of."""
    bounds: tuple[float, float] = (-np.inf, np.inf)
    """Natural bounds of the value, which no level and no band leaves."""

    def predict(self, depth: ArrayLike) -> tuple[Array, Array, Array]:
        """Mean of the value at each depth, with its pointwise 95 % interval: (mean, low, high), each (depths,); a limit
        is infinite where censored values leave the mean open.

        Raises:
            ValueError: nothing was fitted.
        """
        return _bands([(self, depth)], simultaneous=False)[0]

    def simultaneous(self, depth: ArrayLike) -> tuple[Array, Array, Array]:
        """As `predict`, with a band that covers the whole mean curve over these depths in 95 % of repetitions."""
        return _bands([(self, depth)], simultaneous=True)[0]

    def mean(self, depth: ArrayLike) -> Array:
        """(depths,) the mean of `predict` alone, which takes no time.

        Raises:
            ValueError: nothing was fitted.
        """
        if not self._fits:
            raise ValueError(f"there is no curve to predict from: {self.verdict}")
        at = np.atleast_1d(np.asarray(depth, dtype=float))
        share = np.array([self.weights[f.name] for f in self._fits])
        means = np.array([f.bound.value(at, f.linear, f.inner)[0] for f in self._fits])
        return np.clip(self._unit * (share / share.sum()) @ means, *self.bounds)

    def _average(self, at: Array, limits: Sequence[LimitsFound]) -> tuple[Array, Array, Array]:
        """limits: of the means at these depths, by each of the fits."""
        share = np.array([self.weights[f.name] for f in self._fits])
        share /= share.sum()
        bands = np.array([f.band(at, found) for f, found in zip(self._fits, limits, strict=True)])
        band = bands[0]
        if len(share) > 1:
            band = around(share @ bands[:, 0], *averaged_limits(share, bands[:, 0], bands[:, 1], bands[:, 2]))
        mean, low, high = np.clip(self._unit * band, *self.bounds)
        return mean, low, high


def simultaneous_bands(asked: Sequence[tuple[DepthTrend, ArrayLike]]) -> list[tuple[Array, Array, Array]]:
    """`DepthTrend.simultaneous` of each trend at its depths, to the same bits; bands of many censored series at once
    take a fraction of the time that each alone takes.

    Raises:
        ValueError: as `DepthTrend.simultaneous`.
    """
    return _bands(asked, simultaneous=True)


def _bands(asked: Sequence[tuple[DepthTrend, ArrayLike]], simultaneous: bool) -> list[tuple[Array, Array, Array]]:
    for trend, _ in asked:
        if not trend._fits:
            raise ValueError(f"there is no curve to predict from: {trend.verdict}")
    depths = [np.atleast_1d(np.asarray(depth, dtype=float)) for _, depth in asked]
    fits = [(f, at) for (trend, _), at in zip(asked, depths, strict=True) for f in trend._fits]
    found = iter(in_step([f.limits.of_means(at, simultaneous) for f, at in fits]))
    return [
        trend._average(at, [next(found) for _ in trend._fits]) for (trend, _), at in zip(asked, depths, strict=True)
    ]


@dataclass(frozen=True)
class DepthSeries:
    """The finished trials of one group."""

    depth: ArrayLike
    """(values,) weight layers, positive."""
    value: ArrayLike
    """(values,) finite; a censored one is its bound."""
    censored: ArrayLike | None = None
    """(values,) -1 where the truth is below the value, 1 where it is above, 0 where it is the value."""
    seed: ArrayLike | None = None
    """(values,) the seed of each value. Values of one seed may have anything in common; intervals then have seeds - 1
    degrees of freedom. None: all values are independent."""
    bounds: tuple[float | None, float | None] | None = None
    """Natural bounds of the value, None for an open side, such as (0, 1) of an accuracy: levels and bands are cut
    there."""


def fit_depth_trend(
    depth: ArrayLike,
    value: ArrayLike,
    *,
    censored: ArrayLike | None = None,
    seed: ArrayLike | None = None,
    curves: Sequence[str] | None = None,
    resamples: int = 1000,
    resampling_seed: int = 0,
    fixed: Mapping[str, float] | None = None,
    bounds: tuple[float | None, float | None] | None = None,
) -> DepthTrend:
    """Fit curves over depth to one series, and choose among them by AICc.

    Args:
        depth: (values,) what the family counts, positive.
        value: (values,) finite; a censored one is its bound.
        censored: (values,) -1 where the truth is below the value, 1 where it is above, 0 where it is the value.
        seed: (values,) of each value, as in `DepthSeries`; all values are independent when None.
        curves, resamples, resampling_seed, fixed: as in `fit_depth_trends`.
        bounds: natural bounds of the value, None for an open side.

    Raises:
        ValueError: as `fit_depth_trends`.
    """
    one = DepthSeries(depth, value, censored, seed, bounds)
    return fit_depth_trends([one], curves=curves, resamples=resamples, resampling_seed=resampling_seed, fixed=fixed)[0]


def fit_depth_trends(
    series: Sequence[DepthSeries],
    *,
    curves: Sequence[str] | None = None,
    resamples: int = 1000,
    resampling_seed: int = 0,
    fixed: Mapping[str, float] | None = None,
) -> list[DepthTrend]:
    """Fit curves over depth to each series, and choose among them by AICc. A series' trend is the same whatever others
    are fitted with it; many at once take a fraction of the time that each alone takes.

    Args:
        curves: names from skipray/curves, or `module:name`; all of skipray's when None.
        resamples: of the bootstrap, which simultaneous bands and series with missing trials need; at least 1.
        resampling_seed: of the bootstrap; the same arguments give the same trend.
        fixed: parameter name -> value to hold it at, in every curve that has it.

    Raises:
        ValueError: arrays of different lengths, values that are not finite, depths that are not positive, values
            without a seed, anything but -1, 0 and 1 in `censored`, an unknown curve, a fixed parameter that is not
            finite or that no curve has, no resamples, bounds that no number lies between.
    """
    if resamples < 1 or resamples != int(resamples):
        raise ValueError(f"found {resamples} resamples; allowed: a whole number, at least 1")
    if strange := {name: value for name, value in (fixed or {}).items() if not np.isfinite(value)}:
        raise ValueError(f"found fixed {strange}; allowed: finite numbers")
    names = list(curves) if curves is not None else list(catalog.names("curves"))
    trends = [_prepared(one, curves, dict(fixed or {})) for one in series]
    ready = [one for one in trends if isinstance(one, _Prepared)]
    chosen = [
        _choose(one, fits, names)
        for one, fits in zip(
            ready, fit_curves([one.observed for one in ready], resamples, resampling_seed), strict=True
        )
    ]
    usable = [(f, one.observed) for one, found in zip(ready, chosen, strict=True) if found for f in found.usable]
    errors = iter(left_out_errors(usable))
    limits = iter(in_step([found.best.limits.of_parameters() for found in chosen if found]))
    concluded = iter(
        [
            _concluded(one, found, [next(errors) for _ in found.usable], next(limits))
            if found
            else _nothing(TOO_FEW_DEPTHS, counted(len(one.observed.y), "value"))
            for one, found in zip(ready, chosen, strict=True)
        ]
    )
    return [one if isinstance(one, DepthTrend) else next(concluded) for one in trends]


@dataclass(frozen=True)
class _Prepared:
    """A series that curves can be fitted to."""

    observed: Observed
    unit: float
    """What its values are multiples of."""
    bounds: tuple[float, float]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Chosen:
    """The fits of a series that AICc can compare, at least one."""

    usable: list[FittedCurve]
    weights: dict[str, float]
    tied: list[FittedCurve]
    best: FittedCurve
    """The simplest of the tied ones."""
    notes: tuple[str, ...]


def _nothing(verdict: str, note: str) -> DepthTrend:
    return DepthTrend(None, {}, {}, verdict, (), {}, None, (note,))


def _prepared(one: DepthSeries, curves: Sequence[str] | None, fixed: dict[str, float]) -> _Prepared | DepthTrend:
    """The series checked, or what is to be said of one that no curve can be fitted to."""
    x, y, signs, seeds = _checked(one.depth, one.value, one.censored, one.seed)
    natural, unit = _natural(one.bounds), _unit(y)
    y = y / unit
    depths = np.unique(x)
    bound = _bind(curves, depths, fixed, unit)
    if not bound or (len(depths) < 3 and not curves):
        return _nothing(TOO_FEW_DEPTHS, counted(len(depths), "depth"))
    seen = int(np.sum(signs == 0))
    bound = [b for b in bound if seen > b.size]
    if not bound:
        return _nothing(TOO_FEW_DEPTHS, counted(seen, "uncensored value"))
    many = curves is None or len(curves) > 1
    if many and signs.any() and np.ptp(y[signs == 0]) == 0:
        return _nothing(NO_CURVE_FITS, "the values that are not censored are all equal")
    design = build_design(x, seeds)
    if not signs.any():
        design = build_design(x, seeds, estimate_variances(design, y))
    notes: tuple[str, ...] = ()
    if seeds is not None and not design.seeds:
        notes = ("a single seed: the intervals leave out what changes with the seed",)
    return _Prepared(Observed(tuple(bound), design, y, signs), unit, natural, notes)


def _choose(one: _Prepared, fits: list[FittedCurve], names: Sequence[str]) -> _Chosen | None:
    """The simplest curve of those that AICc ties with the best; None where there are too few values to tell."""
    usable = [f for f in fits if np.isfinite(f.aicc)]
    if not usable and len(names) == 1 and one.observed.design.effective > fits[0].bound.size:
        usable = [replace(fits[0], aicc=0.0)]  # nothing to choose between
    if not usable:
        return None
    missing = [n for n in names if n not in {f.name for f in usable}]
    notes = (f"too few depths or values for {', '.join(missing)}",) if missing else ()
    least = min(f.aicc for f in usable)
    raw = np.exp(-0.5 * np.array([f.aicc - least for f in usable]))
    weights = {f.name: float(w) for f, w in zip(usable, raw / raw.sum(), strict=True)}
    tied = [f for f in usable if f.aicc <= least + TIED]
    return _Chosen(usable, weights, tied, min(tied, key=lambda f: (f.bound.size, f.aicc)), notes)


def _concluded(one: _Prepared, found: _Chosen, errors: Sequence[float | None], limits: LimitsFound) -> DepthTrend:
    """What a series' fits say; errors: at left-out depths, of each usable fit; limits: of the best's parameters."""
    signs, design, best = one.observed.signs, one.observed.design, found.best
    notes = [*one.notes, *found.notes]
    speaking = [best] + [f for f in found.usable if f is not best and found.weights[f.name] >= NEGLIGIBLE_WEIGHT]
    p = _lack_of_fit(best, design, one.observed.y) if not signs.any() else None
    if signs.any():
        notes.append(f"{int(np.count_nonzero(signs))} of {len(signs)} values are censored")
    if p is not None and LACK_OF_FIT_LEVEL <= p < NOTED_LACK_OF_FIT:
        notes.append(f"the curve fits the depths' means poorly (p {p:.2g})")
    notes += [f"{name} lies at the end of the range that is searched" for name in best.at_end()]
    parameters = cut_levels(best, best.intervals(one.unit, limits), one.bounds)
    notes += notes_of_levels(best, parameters, one.bounds)
    return DepthTrend(
        curve=best.name,
        parameters=parameters,
        weights=found.weights,
        verdict=NO_CURVE_FITS if p is not None and p < LACK_OF_FIT_LEVEL else best.name,
        tied=tuple(f.name for f in sorted(found.tied, key=lambda f: f.aicc)),
        left_out_error={
            f.name: one.unit * error for f, error in zip(found.usable, errors, strict=True) if error is not None
        },
        lack_of_fit=p,
        notes=tuple(notes),
        _fits=tuple(speaking),
        _unit=one.unit,
        bounds=one.bounds,
    )


def _natural(bounds: tuple[float | None, float | None] | None) -> tuple[float, float]:
    low, high = bounds or (None, None)
    found = (-np.inf if low is None else float(low), np.inf if high is None else float(high))
    if not found[0] < found[1]:
        raise ValueError(f"found the bounds {low} and {high}; allowed: the lower below the higher")
    return found


def _checked(
    depth: ArrayLike, value: ArrayLike, censored: ArrayLike | None, seed: ArrayLike | None
) -> tuple[Array, Array, np.ndarray, np.ndarray | None]:
    x, y = np.asarray(depth, dtype=float), np.asarray(value, dtype=float)
    signs = np.zeros(len(x), dtype=int) if censored is None else signs_of("censored", censored)
    seeds = seeds_of(seed)
    lengths = {"depth": x.shape, "value": y.shape, "censored": signs.shape}
    if seeds is not None:
        lengths["seed"] = seeds.shape
    if x.ndim != 1 or len(set(lengths.values())) > 1:
        raise ValueError(f"found arrays of shapes {lengths}; allowed: one-dimensional ones of one length")
    if not len(x):
        raise ValueError("found no values; allowed: at least one")
    if not np.all(np.isfinite(y)):
        raise ValueError("found values that are not finite; allowed: finite ones, a censored one as its bound")
    if not (np.all(np.isfinite(x)) and np.all(x > 0)):
        raise ValueError("found depths that are not positive; allowed: weight layers")
    return x, y, signs, seeds


def _unit(y: Array) -> float:
    """A power of 2, which rounds nothing, near the largest value: squares of values in this unit do not overflow."""
    largest = float(np.abs(y).max())
    return float(np.exp2(np.round(np.log2(largest)))) if largest > 0 else 1.0


def _bind(curves: Sequence[str] | None, depths: Array, fixed: dict[str, float], unit: float) -> list[BoundCurve]:
    """The curves that these depths can tell from a mean for each depth, with their ranges, for values in this unit."""
    names = catalog.names("curves") if curves is None else tuple(curves)
    entries = {name: catalog.find("curves", name) for name in names}
    known = {p for e in entries.values() for p in (*e.LINEAR, *e.NONLINEAR)}
    if strange := sorted(set(fixed) - known):
        raise ValueError(f"found fixed {', '.join(strange)}; allowed: {', '.join(sorted(known))}")
    out = []
    for name, entry in entries.items():
        held = {k: float(v) for k, v in fixed.items() if k in entry.NONLINEAR}
        held |= {k: float(v) / unit for k, v in fixed.items() if k in entry.LINEAR}
        size = len(entry.LINEAR) + len(entry.NONLINEAR) - len(held)
        # One depth has a level, if that is what was asked for.
        level = curves is not None and not entry.NONLINEAR and size == len(depths) == 1
        if len(depths) > max(size, 1) or level:
            out.append(BoundCurve(name, entry.ranges(depths.copy()), held))
    return out


def _lack_of_fit(chosen: FittedCurve, design: Design, y: Array) -> float | None:
    """p of the F test of the curve's squares about the adjusted depth means against those within depths."""
    within = float(design.saturated_squares(y[None])[0])
    about, spare = chosen.squares, len(design.depths) - chosen.bound.size
    if design.saturated_freedom < 4 or spare < 1 or within <= 1e-20 * float(np.sum(y**2)):
        return None
    return float(fdtrc(spare, design.saturated_freedom, (about / spare) / (within / design.saturated_freedom)))
