"""How often nominal 95 % intervals cover, and how often the right curve is chosen or tied, on synthetic sweeps.

Run: python tests/benchmarks/bench_coverage.py [repetitions, default 200] [truths ..., default all]. Each row is one
truth at one number of seeds and depths; `band` is the coverage of `predict` at the depths tried (mean over them),
`picked` the same when the curve has to be chosen too, `parameters` that of the curve's parameters, `right` the share
in which the true curve is chosen or tied. The standard error of a share near 0.95 is 0.015 at 200 repetitions (the
mean over depths has less).
"""

import sys
import time
from dataclasses import dataclass

import numpy as np

from skipray.trends import fit_depth_trend, trainability_limit

DEPTHS = (8, 14, 20, 29, 38, 47, 56, 65, 74, 92, 110, 164)


@dataclass(frozen=True)
class Truth:
    curve: str
    parameters: dict[str, float]
    noise: float
    seed_effect: float = 0.0

    def mean(self, depth: np.ndarray) -> np.ndarray:
        p = self.parameters
        if self.curve == "constant":
            return np.full(depth.shape, p["level"])
        if self.curve == "linear":
            return p["intercept"] + p["slope"] * depth
        if self.curve == "log_linear":
            return p["intercept"] + p["slope"] * np.log(depth)
        if self.curve == "power_law":
            return p["offset"] + p["coefficient"] * depth ** p["exponent"]
        if self.curve == "exponential":
            return p["asymptote"] + (p["start"] - p["asymptote"]) * np.exp(-p["rate"] * depth)
        if self.curve == "logistic":
            return p["shallow"] + (p["deep"] - p["shallow"]) / (1 + (depth / p["midpoint"]) ** -p["steepness"])
        away = depth - p["knee"]
        return p["level"] + p["slope_before"] * np.minimum(away, 0) + p["slope_after"] * np.maximum(away, 0)


TRUTHS = (
    Truth("constant", {"level": 2.0}, 0.1),
    Truth("linear", {"intercept": 1.0, "slope": 0.04}, 0.1),
    Truth("log_linear", {"intercept": 1.0, "slope": 1.2}, 0.1),
    Truth("power_law", {"offset": 1.0, "coefficient": 12.0, "exponent": -0.8}, 0.03),
    Truth("exponential", {"start": 6.0, "asymptote": 1.0, "rate": 0.05}, 0.1),
    Truth("logistic", {"shallow": 1.0, "deep": 0.1, "midpoint": 38.0, "steepness": 5.0}, 0.03),
    Truth("broken_line", {"level": 6.0, "slope_before": 0.1, "slope_after": 0.0, "knee": 50.0}, 0.1),
)


def depths_of(count: int) -> np.ndarray:
    """`count` of DEPTHS, evenly spread over them."""
    return np.array(DEPTHS)[np.round(np.linspace(0, len(DEPTHS) - 1, count)).astype(int)].astype(float)


def draw(truth: Truth, seeds: int, depths: int, rng: np.random.Generator, *, censored_above: float | None = None):
    """One synthetic sweep: depth, value, censored, group."""
    depth = np.repeat(depths_of(depths), seeds)
    group = np.tile(np.arange(seeds), depths)
    effect = truth.seed_effect * truth.noise * rng.standard_normal(seeds)
    value = truth.mean(depth) + effect[group] + truth.noise * rng.standard_normal(len(depth))
    censored = np.zeros(len(depth), dtype=int)
    if censored_above is not None:
        censored = (value > censored_above).astype(int)
        value = np.minimum(value, censored_above)
    return depth, value, censored, group


def coverage(truth, seeds, depths, repetitions, *, share=None, grouped=True, choose=True, resamples=1000, rng_seed=0):
    """Coverage of bands and parameters: dict of shares."""
    rng = np.random.default_rng([rng_seed, seeds, depths])
    at = depths_of(depths)
    exact = truth.mean(at)
    bound = None if share is None else float(np.quantile(exact, 1 - share))
    band, picked, right, parameters, whole = [], [], [], [], []
    for repetition in range(repetitions):
        depth, value, censored, group = draw(truth, seeds, depths, rng, censored_above=bound)
        keywords = {
            "censored": censored if bound is not None else None,
            "group": group if grouped else None,
            "resamples": resamples,
            "seed": repetition,
        }
        one = fit_depth_trend(depth, value, curves=[truth.curve], **keywords)
        if one.curve is None:
            continue
        _, low, high = one.predict(at)
        band.append((low <= exact) & (exact <= high))
        _, low, high = one.simultaneous(at)
        whole.append(np.all((low <= exact) & (exact <= high)))
        parameters.append([one.parameters[k][1] <= v <= one.parameters[k][2] for k, v in truth.parameters.items()])
        if choose:
            every = fit_depth_trend(depth, value, **keywords)
            _, low, high = every.predict(at)
            picked.append((low <= exact) & (exact <= high))
            right.append(every.curve == truth.curve or truth.curve in every.tied)
    return {
        "band": np.mean(band),
        "whole": np.mean(whole),
        "parameters": np.mean(parameters),
        "worst": np.min(np.mean(parameters, axis=0)),
        "picked": np.mean(picked) if choose else np.nan,
        "right": np.mean(right) if choose else np.nan,
    }


def limit_coverage(seeds, depths, repetitions, *, between, within, rng_seed=0):
    """Share of intervals of the trainability limit that hold the truth: each seed has its own limit (log-normal, spread
    `between`), and each trial its own luck on top (spread `within`)."""
    rng = np.random.default_rng([rng_seed, seeds, depths])
    hits, known = [], 0
    for _ in range(repetitions):
        at = depths_of(depths)
        truth = 40.0
        own = np.log(truth) + between * rng.standard_normal(seeds)
        luck = within * rng.standard_normal((depths, seeds))
        trained = np.log(at)[:, None] < own[None, :] + luck
        limit = trainability_limit(np.repeat(at, seeds), trained.ravel(), group=np.tile(np.arange(seeds), depths))
        hits.append((limit.low is None or limit.low <= truth) and (limit.high is None or truth <= limit.high))
        known += limit.low is not None and limit.high is not None
    return float(np.mean(hits)), known / repetitions


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    wanted = sys.argv[2:] or [*(t.curve for t in TRUTHS), "limit"]
    start = time.perf_counter()
    columns = ("band", "whole", "parameters", "worst", "picked", "right")
    print(f"{'truth':12} {'case':34} " + " ".join(f"{c:>10}" for c in columns))
    for truth in [t for t in TRUTHS if t.curve in wanted]:
        for seeds, depths, effect, share in (
            (3, 6, 0.0, None),
            (5, 8, 2.0, None),
            (10, 12, 1.0, None),
            (5, 8, 1.0, 0.3),
        ):
            if share is not None and truth.curve == "constant":
                continue
            case = Truth(truth.curve, truth.parameters, truth.noise, effect)
            row = coverage(case, seeds, depths, repetitions, share=share)
            name = f"{seeds} seeds, {depths} depths, effect {effect:g}" + (f", {share:.0%} cens." if share else "")
            print(f"{truth.curve:12} {name:34} " + " ".join(f"{row[c]:10.3f}" for c in columns), flush=True)
    limits = ((3, 6, 0.05, 0.2), (3, 12, 0.4, 0.05), (5, 8, 0.2, 0.2), (5, 12, 0.4, 0.05), (10, 12, 0.2, 0.1))
    for seeds, depths, between, within in limits if "limit" in wanted else ():
        hit, known = limit_coverage(seeds, depths, repetitions, between=between, within=within)
        print(
            f"limit: {seeds} seeds, {depths} depths, spread {between:g} between and {within:g} within seeds: "
            f"covers {hit:.3f}, two-sided {known:.2f}"
        )
    print(f"{repetitions} repetitions each, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
