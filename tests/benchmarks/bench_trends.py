"""skipray's depth trends against a loop over scipy.optimize.curve_fit, side by side.

Run: python tests/benchmarks/bench_trends.py [series, default 120] [resamples, default 1000]. Timed are:

- the trends: every series with every curve, intervals, pointwise and simultaneous bands of all curves. Intervals come
  from profiles; the resamples are drawn of the curve made linear at its estimates, which the simultaneous bands need;
- the same of censored series, all at once, as an aggregation and a report call them: of each series a tenth to two
  fifths of the values are bounds. Their limits and bands are searched for, and the resamples draw how much wider a
  simultaneous band is;
- the refits: every curve fitted anew to every resample by the same vectorised projection: what the loop does and
  nothing else, which no trend needs today;
- the loop, the bare minimum of it: one curve_fit per curve and resample, started near the truth, without seeds,
  weights, intervals or choice; its time is extrapolated from a sample.

All are CPU seconds of one process, which a busy machine inflates less than the clock's; a ratio is the loop's over it.
"""

import sys
import time
import warnings

import numpy as np
from _figures import print_figure
from scipy import optimize

from skipray.extension import catalog
from skipray.trends import DepthSeries, depth_trend, fit_depth_trend, fit_depth_trends
from skipray.trends.bound_curve import BoundCurve
from skipray.trends.depth_trend import simultaneous_bands
from skipray.trends.design import build_design
from skipray.trends.projection import fit

DEPTHS = np.array([8.0, 20, 38, 56, 74, 110])
SEEDS = 3
NOISE = 0.03

LOOP = {
    "constant": (lambda d, a: a + 0 * d, (0.5,)),
    "linear": (lambda d, a, b: a + b * d, (1.0, -0.01)),
    "log_linear": (lambda d, a, b: a + b * np.log(d), (1.5, -0.3)),
    "power_law": (lambda d, a, b, c: a + b * d**c, (0.0, 3.0, -0.5)),
    "exponential": (lambda d, a, b, c: a + (b - a) * np.exp(-c * d), (0.1, 1.3, 0.03)),
    "logistic": (lambda d, a, b, m, s: a + (b - a) / (1 + (d / m) ** -s), (1.0, 0.1, 40.0, 4.0)),
    "broken_line": (
        lambda d, a, b, c, k: a + b * np.minimum(d - k, 0) + c * np.maximum(d - k, 0),
        (0.2, -0.01, 0.0, 60.0),
    ),
}


def series(index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(index)
    depth, seed = np.repeat(DEPTHS, SEEDS), np.tile(np.arange(SEEDS), len(DEPTHS))
    value = 0.1 + 0.9 / (1 + (depth / (30 + index % 40)) ** 4) + NOISE * rng.standard_normal(len(depth))
    return depth, value, seed


def loop_seconds(sample: int) -> float:
    """Mean CPU seconds of one curve_fit, over curves and resamples."""
    start, count = time.process_time(), 0
    for index in range(sample):
        depth, value, _ = series(index)
        rng = np.random.default_rng(index)
        for formula, guess in LOOP.values():
            for _ in range(10):
                noisy = value + NOISE * rng.standard_normal(len(value))
                try:
                    with np.errstate(all="ignore"):
                        optimize.curve_fit(formula, depth, noisy, p0=guess, maxfev=400)
                except RuntimeError:
                    pass  # did not converge within 400 evaluations; its time counts
                count += 1
    return (time.process_time() - start) / count


def trend_seconds(count: int, resamples: int) -> tuple[float, float]:
    """CPU seconds and those on the clock of the trends and bands of `count` series."""
    start, cpu = time.perf_counter(), time.process_time()
    for index in range(count):
        depth, value, seed = series(index)
        trend = fit_depth_trend(depth, value, seed=seed, resamples=resamples)
        trend.predict(DEPTHS)
        trend.simultaneous(DEPTHS)
    return time.process_time() - cpu, time.perf_counter() - start


def censored_seconds(count: int, resamples: int) -> tuple[float, float]:
    """CPU seconds of the trends, and of the trends and bands, of `count` censored series."""
    given = []
    for index in range(count):
        depth, value, seed = series(index)
        bound = np.quantile(value, (0.1, 0.2, 0.3, 0.4)[index % 4])
        given.append(DepthSeries(depth, np.maximum(value, bound), np.where(value < bound, -1, 0), seed))
    cpu = time.process_time()
    trends = fit_depth_trends(given, resamples=resamples)
    fitted = time.process_time() - cpu
    simultaneous_bands([(trend, DEPTHS) for trend in trends])
    return fitted, time.process_time() - cpu


def refit_seconds(count: int, resamples: int) -> float:
    """CPU seconds of fitting every curve to every resample."""
    start = time.process_time()
    for index in range(count):
        depth, value, seed = series(index)
        design = build_design(depth, seed)
        noise = NOISE * np.random.default_rng(index).standard_normal((resamples, len(depth)))
        for name in catalog.names("curves"):
            curve = BoundCurve(name, catalog.find("curves", name).ranges(DEPTHS), {})
            best = fit(curve, DEPTHS, (design.means @ value)[None], design.root)
            drawn = curve.value(DEPTHS, best.linear, best.inner) + noise @ design.means.T
            fit(curve, DEPTHS, drawn, design.root, start=np.repeat(best.inner, resamples, axis=1), tolerance=1e-8)
    return time.process_time() - start


def main() -> None:
    warnings.simplefilter("ignore", optimize.OptimizeWarning)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 120
    resamples = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    curves = len(catalog.names("curves"))
    usual, _ = trend_seconds(count, resamples)
    censored_fits, censored = censored_seconds(count, resamples)
    depth_trend.NEGLIGIBLE_WEIGHT = -1.0  # so that every curve has its say in the bands
    trends, clock = trend_seconds(count, resamples)
    _, censored_all = censored_seconds(count, resamples)
    refits = refit_seconds(count, resamples)
    one = loop_seconds(5)
    loop = one * count * curves * resamples
    print(f"{count} series x {curves} curves x {resamples} resamples; {clock:.1f} s on the clock for the first")
    rows = {
        "trends, bands of every curve": trends,
        "trends, as an aggregation calls them": usual,
        "censored, bands of every curve": censored_all,
        "censored, as a report calls them": censored,
        "censored, without bands": censored_fits,
        "refits": refits,
    }
    for name, seconds in rows.items():
        print(f"skipray, {name:37} {seconds:8.1f} s, ratio {loop / seconds:.0f}")
    print_figure(f"{count} depth trends", usual, {"a loop over curve_fit (extrapolated)": loop}, unit="s of CPU")
    print_figure(f"{count} censored depth trends with bands", censored, unit="s of CPU")
    print(f"{'curve_fit loop':46} {loop:8.1f} s  (extrapolated, {1000 * one:.2f} ms a fit)")


if __name__ == "__main__":
    main()
