"""skipray's depth trends against a loop over scipy.optimize.curve_fit, side by side.

Run: python tests/benchmarks/bench_trends.py [series, default 120] [resamples, default 1000]. Every series is fitted
with every curve, each with its own full bootstrap. The loop does the bare minimum of the same: one curve_fit a curve
and resample, started at the estimate, without seeds, weights, intervals or choice; its time is extrapolated from a
sample. Both are CPU seconds of one process, which a busy machine does not inflate.
"""

import sys
import time
import warnings

import numpy as np
from scipy import optimize

from skipray import catalog
from skipray.trends import depth_trend, fit_depth_trend

DEPTHS = np.array([8.0, 20, 38, 56, 74, 110])
SEEDS = 3

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
    depth, group = np.repeat(DEPTHS, SEEDS), np.tile(np.arange(SEEDS), len(DEPTHS))
    value = 0.1 + 0.9 / (1 + (depth / (30 + index % 40)) ** 4) + 0.03 * rng.standard_normal(len(depth))
    return depth, value, group


def loop_seconds(sample: int) -> float:
    """Mean CPU seconds of one curve_fit, over curves and resamples."""
    start, count = time.process_time(), 0
    for index in range(sample):
        depth, value, _ = series(index)
        rng = np.random.default_rng(index)
        for formula, guess in LOOP.values():
            for _ in range(10):
                noisy = value + 0.03 * rng.standard_normal(len(value))
                try:
                    with np.errstate(all="ignore"):
                        optimize.curve_fit(formula, depth, noisy, p0=guess, maxfev=400)
                except RuntimeError:
                    pass  # did not converge within 400 evaluations; its time counts
                count += 1
    return (time.process_time() - start) / count


def main() -> None:
    warnings.simplefilter("ignore", optimize.OptimizeWarning)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 120
    resamples = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    names = catalog.names("curves")
    usually = depth_trend.NEGLIGIBLE_WEIGHT
    depth_trend.NEGLIGIBLE_WEIGHT = -1.0
    start, cpu = time.perf_counter(), time.process_time()
    for index in range(count):
        depth, value, group = series(index)
        fit_depth_trend(depth, value, group=group, resamples=resamples)
    mine, mine_cpu = time.perf_counter() - start, time.process_time() - cpu
    depth_trend.NEGLIGIBLE_WEIGHT = usually
    start = time.process_time()
    for index in range(min(count, 20)):
        depth, value, group = series(index)
        fit_depth_trend(depth, value, group=group, resamples=resamples)
    usual = (time.process_time() - start) / min(count, 20) * count
    one = loop_seconds(5)
    loop = one * count * len(names) * resamples
    print(f"{count} series x {len(names)} curves x {resamples} resamples")
    print(f"skipray, every curve bootstrapped   {mine_cpu:9.1f} s  ({mine:.1f} s on the clock, one process)")
    print(f"skipray, as an aggregation calls it {usual:9.1f} s  (extrapolated from {min(count, 20)} series)")
    print(f"curve_fit loop                      {loop:9.1f} s  (extrapolated, {1000 * one:.2f} ms a fit)")
    print(f"ratio                               {loop / mine_cpu:9.1f}")


if __name__ == "__main__":
    main()
