"""What repeated looks and shared tuned settings do to a 95 % interval: the figures of the report's caveats.

Run: python tests/benchmarks/bench_looks.py [repetitions, default 20000]. `looks`: seeds are added until the t interval
of their mean excludes 0, which is the truth; the share of sweeps that ever exclude it, and the same for the interval of
the trainability limit against the true limit (a tenth of the repetitions, at most 200). `tuned`: six cells whose seeds
share an effect of the cell, as those of one tuned setting do; the share of t intervals that exclude the truth.
"""

import sys

import numpy as np
from scipy.stats import t

from skipray.trends import trainability_limit

LOOKS = ((3,), (2, 3), (3, 5, 10), tuple(range(2, 11)), tuple(range(3, 21)))
DEPTHS = np.array([8.0, 20, 38, 56, 74, 110])


def ever_excluded(looks: tuple[int, ...], repetitions: int, rng: np.random.Generator) -> float:
    values = rng.standard_normal((repetitions, max(looks)))
    excluded = np.zeros(repetitions, dtype=bool)
    for n in looks:
        mean, error = values[:, :n].mean(1), values[:, :n].std(1, ddof=1) / np.sqrt(n)
        excluded |= np.abs(mean) > t.ppf(0.975, n - 1) * error
    return float(excluded.mean())


def limit_ever_excluded(looks: tuple[int, ...], repetitions: int, rng: np.random.Generator) -> float:
    excluded = 0
    for _ in range(repetitions):
        limit = np.exp(rng.uniform(np.log(20), np.log(74)))
        trained = rng.random((6, max(looks))) < 1 / (1 + (DEPTHS[:, None] / limit) ** 8)
        for n in looks:
            found = trainability_limit(
                np.repeat(DEPTHS, n), trained[:, :n].ravel(), seed=np.tile(np.arange(n), len(DEPTHS))
            )
            if (found.low or 0) > limit or (found.high or np.inf) < limit:
                excluded += 1
                break
    return excluded / repetitions


def tuned_excluded(effect: float, seeds: int, repetitions: int, rng: np.random.Generator) -> float:
    cells = effect * rng.standard_normal((repetitions, 6, 1)) + rng.standard_normal((repetitions, 6, seeds))
    by_seed = cells.mean(1)
    error = by_seed.std(1, ddof=1) / np.sqrt(seeds)
    return float((np.abs(by_seed.mean(1)) > t.ppf(0.975, seeds - 1) * error).mean())


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    rng = np.random.default_rng(0)
    few = min(200, max(repetitions // 10, 1))
    print(f"{'looks at seeds':<26}{'mean':>8}{'limit':>8}")
    for looks in LOOKS:
        words = ", ".join(map(str, looks)) if len(looks) < 4 else f"every one, {looks[0]} to {looks[-1]}"
        limit = limit_ever_excluded(looks, few, rng)
        print(f"{words:<26}{ever_excluded(looks, repetitions, rng):8.3f}{limit:8.3f}", flush=True)
    print(f"\n{'effect of the setting':<26}{'3 seeds':>8}{'5 seeds':>8}")
    for effect in (0.0, 0.5, 1.0, 2.0):
        shares = [tuned_excluded(effect, seeds, repetitions, rng) for seeds in (3, 5)]
        print(f"{effect:<26}{shares[0]:8.3f}{shares[1]:8.3f}")


if __name__ == "__main__":
    main()
