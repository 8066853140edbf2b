"""Bands of depth trends where seeds scatter evenly, ever more with depth, or fall off a cliff.

Run: python tests/benchmarks/bench_bands.py [repetitions, default 60]. For each truth and number of seeds: the share of
repetitions in which the band covers the mean curve, pointwise (at the shallowest and the deepest depth, and the mean
over depths) and simultaneous; in how many the shallowest depth's own t interval covers its mean; the half width at the
shallowest depth over that of this t interval; how much the width changes at most between neighbouring depths; and how
often the band leaves the value's natural bounds. The standard error of a share near 0.95 is 0.028 at 60 repetitions.
"""

import inspect
import sys

import numpy as np
from scipy.special import ndtri, stdtrit

from skipray.trends import fit_depth_trend

DEPTHS = np.array([8.0, 20, 38, 56, 74, 110])
FINE = np.arange(8.0, 111.0, 2.0)
TAKES_BOUNDS = "bounds" in inspect.signature(fit_depth_trend).parameters
"""False in releases before bounds, against which this can be run too."""


def logistic(depth: np.ndarray) -> np.ndarray:
    return 0.1 + 0.9 / (1 + (depth / 36) ** 6)


def line(depth: np.ndarray) -> np.ndarray:
    return 1.5 + 0.02 * depth


def cliff(depth: np.ndarray) -> np.ndarray:
    return np.where(depth > 90, 0.9, 0.995)


def cliff_at_bound(depth: np.ndarray) -> np.ndarray:
    return np.where(depth > 90, 0.95, 1.0)


TRUTHS = {
    # name: (mean, standard deviation by depth, seed effect, natural bounds)
    "even noise": (line, lambda d: 0.1 + 0 * d, 0.0, None),
    "noise 23 times": (line, lambda d: 0.02 * (d / 8) ** 1.2, 0.0, (0, None)),
    "noise 40 times": (line, lambda d: 0.02 * (d / 8) ** 1.41, 0.0, (0, None)),
    "seed effects": (line, lambda d: 0.1 + 0 * d, 0.1, None),
    "logistic accuracy": (logistic, lambda d: 0.03 * np.sqrt(logistic(d) * (1.05 - logistic(d)) * 4), 0.0, (0, 1)),
    "cliff": (cliff, lambda d: np.where(d > 90, 0.03, 0.0005), 0.0, (0, 1)),
    "cliff at its bound": (cliff_at_bound, lambda d: np.where(d > 90, 0.03, 0.0005), 0.0, (0, 1)),
    "one outlier": (line, lambda d: 0.1 + 0 * d, 0.0, None),
}


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    print(f"{'truth':<18} seeds  at 8   deepest  points  whole   own at 8  width at 8  largest step  out of bounds")
    for name in TRUTHS:
        for seeds in (3, 5):
            print(row(name, seeds, repetitions), flush=True)


def row(name: str, seeds: int, repetitions: int) -> str:
    mean, deviation, effect, bounds = TRUTHS[name]
    rng = np.random.default_rng(7)
    hits, whole, own_hits, widths, steps, outside = [], [], [], [], [], 0
    ends = [s * np.inf if b is None else b for b, s in zip(bounds or (None, None), (-1, 1), strict=True)]
    # What is measured is cut at the bounds, and so is its mean, which the bands are to cover.
    spread = np.sqrt(deviation(DEPTHS) ** 2 + effect**2)
    truth = np.clip(mean(DEPTHS)[:, None] + spread[:, None] * ndtri((np.arange(2000) + 0.5) / 2000), *ends).mean(axis=1)
    depth, seed = np.repeat(DEPTHS, seeds), np.tile(np.arange(seeds), len(DEPTHS))
    for _ in range(repetitions):
        value = mean(depth) + deviation(depth) * rng.standard_normal(len(depth))
        value += effect * rng.standard_normal(seeds)[seed]
        if name == "one outlier":
            value[rng.integers(len(value))] += 0.5
        value = np.clip(value, *ends)
        extra = {"bounds": bounds} if TAKES_BOUNDS and bounds is not None else {}
        trend = fit_depth_trend(depth, value, seed=seed, resamples=400, **extra)
        if trend.curve is None:
            continue
        _, low, high = trend.predict(DEPTHS)
        hits.append((low <= truth) & (truth <= high))
        _, fine_low, fine_high = trend.simultaneous(FINE)
        _, whole_low, whole_high = trend.simultaneous(DEPTHS)
        whole.append(bool(np.all((whole_low <= truth) & (truth <= whole_high))))
        own = value[depth == DEPTHS[0]]
        own_half = stdtrit(seeds - 1, 0.975) * max(float(own.std(ddof=1)), 1e-9) / np.sqrt(seeds)
        own_hits.append(abs(own.mean() - truth[0]) <= own_half)
        widths.append((high[0] - low[0]) / 2 / own_half)
        width = np.maximum(fine_high - fine_low, 1e-9)
        steps.append(float(np.max(np.maximum(width[1:] / width[:-1], width[:-1] / width[1:]))))
        if bounds is not None:
            outside += bool(fine_low.min() < ends[0] - 1e-12 or fine_high.max() > ends[1] + 1e-12)
    covered = np.array(hits)
    return (
        f"{name:<18} {seeds:5d}  {covered[:, 0].mean():.3f}  {covered[:, -1].mean():7.3f}  {covered.mean():6.3f}  "
        f"{np.mean(whole):.3f}  {np.mean(own_hits):8.3f}  "
        f"{np.median(widths):10.2f}  {np.median(steps):12.2f}  {outside:7d} of {len(hits)}"
    )


if __name__ == "__main__":
    main()
