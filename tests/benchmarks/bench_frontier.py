"""Whether the interval that ends an adaptive search holds the truth, and how many trials it takes.

Run: python tests/benchmarks/bench_frontier.py [repetitions, default 30]. One family, depths 8 to 400 in steps of 6,
a true limit drawn log-uniformly from 12 to 300, eight seeds, one trial at a time, at most 40; the search ends when the
ends of its interval are a factor of 1.5 apart. A seed trains at depth d with the chance
(1 - lapse) / (1 + (d / limit)^steepness); `seeds sd` spreads the seeds' own limits. Columns: coverage, misses on the
worse side, mean trials, share that ended by itself. `credible`: the central interval of the belief that chooses the
depths over the same trials, which is what skipray reported and stopped by before.
"""

import sys
import time

import numpy as np

from skipray.search.frontier import Belief, find_frontier

DEPTHS = [6 * k + 2 for k in range(1, 67)]
LOW, HIGH, WIDTH, SEEDS, MOST = 8, 400, 1.5, 8, 40
TRUTHS = {
    "steepness 8": (8.0, 0.0, 0.0),
    "steepness 40": (40.0, 0.0, 0.0),
    "steepness 2.5": (2.5, 0.0, 0.0),
    "steepness 40, seeds sd .25": (40.0, 0.25, 0.0),
    "steepness 20, seeds sd .4": (20.0, 0.4, 0.0),
    "steepness 8, lapses 5 %": (8.0, 0.0, 0.05),
}
"""Steepness, standard deviation of the seeds' ln limits, lapse rate."""


def search(truth: tuple[float, float, float], rng: np.random.Generator) -> tuple[float, float, float, int, bool, bool]:
    """Truth, the interval's ends, trials, whether it ended by itself, whether the credible interval held the truth."""
    steepness, spread, lapse = truth
    limit = float(np.exp(rng.uniform(np.log(12), np.log(300))))
    own = np.log(limit) + spread * rng.standard_normal(SEEDS)
    belief, depths, trained, seeds = Belief.prior(LOW, HIGH), [], [], []
    used = {depth: set() for depth in DEPTHS}
    while True:
        found = find_frontier(WIDTH, depths, trained, seeds, (DEPTHS[0], DEPTHS[-1]))
        if found.verdict != "open" or len(depths) >= MOST:
            limits = belief.log_posterior - belief.log_posterior.max()
            share = np.cumsum(np.exp(limits).sum(axis=1))
            ends = np.exp(np.interp([0.025 * share[-1], 0.975 * share[-1]], share, belief.log_limits))
            held = bool(ends[0] <= limit <= ends[1])
            return limit, found.low or 0.0, found.high or np.inf, len(depths), found.verdict != "open", held
        depth = belief.next_depth([d for d in DEPTHS if len(used[d]) < SEEDS])
        seed = min(set(range(SEEDS)) - used[depth], key=lambda s: (seeds.count(s), s))
        chance = (1 - lapse) / (1 + np.exp(-steepness * (own[seed] - np.log(depth))))
        one = bool(rng.random() < chance)
        used[depth].add(seed)
        depths.append(depth)
        trained.append(one)
        seeds.append(seed)
        belief = belief.after(depth, one)


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    began = time.perf_counter()
    print(f"{'truth':<28}{'covers':>8}{'side':>8}{'trials':>8}{'ended':>8}{'credible':>10}")
    for name, truth in TRUTHS.items():
        rng = np.random.default_rng(0)
        found = [search(truth, rng) for _ in range(repetitions)]
        low = sum(f[1] > f[0] for f in found) / repetitions
        high = sum(f[2] < f[0] for f in found) / repetitions
        trials, ended = np.mean([f[3] for f in found]), np.mean([f[4] for f in found])
        credible = np.mean([f[5] for f in found])
        print(
            f"{name:<28}{1 - low - high:8.3f}{max(low, high):8.3f}{trials:8.1f}{ended:8.2f}{credible:10.3f}", flush=True
        )
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
