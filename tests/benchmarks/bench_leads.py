"""How often the lead of one family's limit over another's is told wrongly after an adaptive search, and how often it is
found.

Run: python tests/benchmarks/bench_leads.py [repetitions, default 30]. Two families, each searched as in
bench_frontier.py: depths 8 to 400 in steps of 6, eight seeds, at most 24 trials each, a limit that is drawn
log-uniformly from 20 to 150. `null`: both have the same limit; `planted`: the second one's is twice as deep. A seed's
own limit is shared by both families, as twins' weights are drawn alike. Columns: shares of nulls that are told from 0
to either side (asked: .05 together), coverage of the 95 % interval where it is planted, share that is found; each of
all trials, and in brackets of those whose depth and seed both families have, which is what was judged before; then how
many of these repetitions had such at all.
"""

import sys
import time
from dataclasses import replace

import numpy as np
from bench_frontier import DEPTHS, HIGH, LOW, SEEDS, WIDTH

from skipray.claims.judging.lead import SEARCHED
from skipray.search.frontier import Belief, find_frontier
from skipray.trends import trainability_shift

MOST = 24
TRUTHS = {
    "steepness 8": (8.0, 8.0, 0.0, 0.0),
    "steepness 40": (40.0, 40.0, 0.0, 0.0),
    "steepness 2.5": (2.5, 2.5, 0.0, 0.0),
    "steepness 8 and 2.5": (8.0, 2.5, 0.0, 0.0),
    "steepness 20, seeds sd .4": (20.0, 20.0, 0.4, 0.0),
    "steepness 8, lapses 5 %": (8.0, 8.0, 0.0, 0.05),
}
"""Steepness of either family, standard deviation of the seeds' ln limits, lapse rate."""

Trials = tuple[np.ndarray, np.ndarray, np.ndarray]


def search(limits: np.ndarray, steepness: float, lapse: float, rng: np.random.Generator) -> Trials:
    """Depths, whether each trained, and seeds of one family's trials; limits: of each seed, in ln depth."""
    belief, depths, trained, seeds = Belief.prior(LOW, HIGH), [], [], []
    used = {depth: set() for depth in DEPTHS}
    while len(depths) < MOST:
        if find_frontier(WIDTH, depths, trained, seeds, (DEPTHS[0], DEPTHS[-1])).verdict != "open":
            break
        depth = belief.next_depth([d for d in DEPTHS if len(used[d]) < SEEDS])
        seed = min(set(range(SEEDS)) - used[depth], key=lambda s: (seeds.count(s), s))
        one = bool(rng.random() < (1 - lapse) / (1 + np.exp(-steepness * (limits[seed] - np.log(depth)))))
        used[depth].add(seed)
        depths.append(depth)
        trained.append(one)
        seeds.append(seed)
        belief = belief.after(depth, one)
    return np.array(depths), np.array(trained), np.array(seeds)


def leads(truth: tuple[float, float, float, float], doublings: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Ends of the interval of the second family's lead: of all trials, and of shared ones where there are any."""
    first, second, spread, lapse = truth
    own = rng.uniform(np.log(20), np.log(150)) + spread * rng.standard_normal(SEEDS)
    found = [search(own + lead * np.log(2), steep, lapse, rng) for lead, steep in ((0, first), (doublings, second))]
    depth, trained, seed = (np.concatenate(part) for part in zip(*found, strict=True))
    which = np.repeat([False, True], [len(found[0][0]), len(found[1][0])])
    pairs = [set(zip(depth[which == w], seed[which == w], strict=True)) for w in (False, True)]
    both = np.array([(d, s) in pairs[0] & pairs[1] for d, s in zip(depth, seed, strict=True)])
    ends = []
    for chosen in (np.ones(len(depth), dtype=bool), both):
        if len(np.unique(depth[chosen])) > 1 and len(np.unique(seed[chosen])) > 1:
            shift = trainability_shift(depth[chosen], trained[chosen], which[chosen], seed=seed[chosen])
            if chosen is not both:  # as `lead_of` has it
                shift = replace(shift, effect=SEARCHED * shift.effect)
            ends.append(np.array([shift.low, shift.high]))
    return ends


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    began = time.perf_counter()
    print(f"{'truth':<28}{'above 0':>14}{'below 0':>14}{'covers':>14}{'found':>14}{'shared':>8}")
    for name, truth in TRUTHS.items():
        rng = np.random.default_rng(0)
        nulls, planted = ([leads(truth, size, rng) for _ in range(repetitions)] for size in (0.0, 1.0))
        cells = []
        for of, tells in (
            (nulls, lambda ends: ends[0] > 0),
            (nulls, lambda ends: ends[1] < 0),
            (planted, lambda ends: ends[0] <= 1 <= ends[1]),
            (planted, lambda ends: ends[0] > 0),
        ):
            shares = []
            for which in (0, 1):
                judged = [tells(ends[which]) for ends in of if len(ends) > which]
                shares.append(np.mean(judged) if judged else np.nan)
            cells.append(f"{shares[0]:.3f} ({shares[1]:.2f})")
        shared = np.mean([len(ends) > 1 for ends in nulls + planted])
        print(f"{name:<28}" + "".join(f"{cell:>14}" for cell in cells) + f"{shared:8.2f}", flush=True)
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
