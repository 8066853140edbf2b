"""How often the 95 % interval of a trainability limit holds the truth.

Run: python tests/benchmarks/bench_limits.py [repetitions, default 100]. Six depths, 8 to 110; the true limit is drawn
log-uniformly from 20 to 74 in each repetition; a seed trains at depth d with the chance
(1 - lapse) / (1 + (d / limit)^steepness). `seeds sd` spreads the seeds' own limits (in ln depth) about the truth, which
is their median. Columns: coverage at 3, 5, 10 and 20 seeds; the largest share of misses on one side (asked for: .025);
the median width in doublings where both ends are known, and the share of intervals with an open end. A coverage of .95
has a standard error of .022 at 100 repetitions. Only the public function is used, so that any version can be measured.
"""

import sys
import time

import numpy as np

from skipray.trends import trainability_limit

DEPTHS = np.array([8.0, 20, 38, 56, 74, 110])
SEEDS = (3, 5, 10, 20)
TRUTHS = {
    "step": (np.inf, 0.0, 0.0),
    "steepness 100": (100.0, 0.0, 0.0),
    "steepness 30": (30.0, 0.0, 0.0),
    "steepness 8": (8.0, 0.0, 0.0),
    "steepness 2.5": (2.5, 0.0, 0.0),
    "steepness 30, seeds sd .25": (30.0, 0.25, 0.0),
    "steepness 20, seeds sd .4": (20.0, 0.4, 0.0),
    "steepness 8, lapses 5 %": (8.0, 0.0, 0.05),
    "steepness 100, lapses 5 %": (100.0, 0.0, 0.05),
}
"""Steepness, standard deviation of the seeds' ln limits, lapse rate."""


def sweep(limit: float, truth: tuple[float, float, float], seeds: int, rng: np.random.Generator) -> np.ndarray:
    """(depths, seeds) which trained."""
    steepness, spread, lapse = truth
    own = np.log(limit) + spread * rng.standard_normal(seeds)
    away = own - np.log(DEPTHS)[:, None]
    chance = away > 0 if np.isinf(steepness) else 1 / (1 + np.exp(-steepness * away))
    return rng.random((len(DEPTHS), seeds)) < (1 - lapse) * chance


def judge(truth: tuple[float, float, float], seeds: int, repetitions: int) -> tuple[float, float, float, float]:
    """Coverage, misses on the worse side, median width in doublings, share of open intervals."""
    rng = np.random.default_rng(seeds)
    low_misses, high_misses, widths = 0, 0, []
    for _ in range(repetitions):
        limit = float(np.exp(rng.uniform(np.log(20), np.log(74))))
        trained = sweep(limit, truth, seeds, rng)
        depth, seed = np.repeat(DEPTHS, seeds), np.tile(np.arange(seeds), len(DEPTHS))
        found = trainability_limit(depth, trained.ravel(), seed=seed)
        low, high = found.low or 0.0, found.high or np.inf
        low_misses += low > limit
        high_misses += high < limit
        widths.append(np.log2(high / low) if low else np.inf)
    closed = [w for w in widths if np.isfinite(w)]
    return (
        1 - (low_misses + high_misses) / repetitions,
        max(low_misses, high_misses) / repetitions,
        float(np.median(closed)) if closed else np.nan,
        1 - len(closed) / repetitions,
    )


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    began = time.perf_counter()
    print(f"{'truth':<28}" + "".join(f"{f'{s} seeds':^26}" for s in SEEDS))
    for name, truth in TRUTHS.items():
        cells = []
        for seeds in SEEDS:
            coverage, side, width, open_ended = judge(truth, seeds, repetitions)
            cells.append(f"{coverage:.3f} {side:.3f} {width:5.2f} {open_ended:4.0%}")
        print(f"{name:<28}" + "".join(f"{c:^26}" for c in cells), flush=True)
    print(f"coverage, misses on the worse side, width, open; {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
