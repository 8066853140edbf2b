"""How often nominal 95 % intervals cover, and how often the right curve is chosen or tied, on synthetic sweeps.

Run: python tests/benchmarks/bench_coverage.py [repetitions, default 100] [curves ..., limit, choice; default all]
[rng=seed, default 0]. Each repetition draws a design: 3 to 10 seeds, 5 to 12 depths of DEPTHS, seed effects of 0, 1 or
2 times the noise, noise that is even or grows or falls with depth, the truth's own numbers, and in the censored half of
the table a bound that 10 to 40 % of the values lie beyond. Coverage is shown by curve and parameter, for the pointwise
band at the depths tried (`band`, mean over them), for the simultaneous one as a whole (`whole`), and below by how many
seeds and depths, by seed effect and by noise (mean over parameters). `open` is the share of parameter intervals with an
infinite end: what the data do not know. The standard error of a share near 0.95 is 0.022 at 100 repetitions.

`choice` shows in how many clear cases the true curve is chosen or tied when all curves compete, and the coverage of the
averaged band. Clear: without noise, any other curve of as few parameters misses the truth, root mean square over the
depths that are seen, by CLEAR times the standard error of a mean of all values.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from skipray.trends import fit_depth_trend, trainability_limit

DEPTHS = (8, 14, 20, 29, 38, 47, 56, 65, 74, 92, 110, 164)
CURVES = ("constant", "linear", "log_linear", "power_law", "exponential", "logistic", "broken_line")
NOISE = 0.05
"""Of the curve's whole range over the depths."""


@dataclass(frozen=True)
class Sweep:
    curve: str
    parameters: dict[str, float]
    depth: np.ndarray
    value: np.ndarray
    censored: np.ndarray
    seed: np.ndarray
    seeds: int
    effect: float
    power: float

    @property
    def depths(self) -> np.ndarray:
        return np.unique(self.depth)

    @property
    def keywords(self) -> dict[str, np.ndarray | None]:
        return {"censored": self.censored if self.censored.any() else None, "seed": self.seed}

    def mean(self, depth: np.ndarray) -> np.ndarray:
        return mean(self.curve, self.parameters, depth)


def mean(curve: str, p: dict[str, float], depth: np.ndarray) -> np.ndarray:
    if curve == "constant":
        return np.full(depth.shape, p["level"])
    if curve == "linear":
        return p["intercept"] + p["slope"] * depth
    if curve == "log_linear":
        return p["intercept"] + p["slope"] * np.log(depth)
    if curve == "power_law":
        return p["offset"] + p["coefficient"] * depth ** p["exponent"]
    if curve == "exponential":
        return p["asymptote"] + (p["start"] - p["asymptote"]) * np.exp(-p["rate"] * depth)
    if curve == "logistic":
        return p["shallow"] + (p["deep"] - p["shallow"]) / (1 + (depth / p["midpoint"]) ** -p["steepness"])
    away = depth - p["knee"]
    return p["level"] + p["slope_before"] * np.minimum(away, 0) + p["slope_after"] * np.maximum(away, 0)


def draw_truth(curve: str, rng: np.random.Generator) -> dict[str, float]:
    sign = rng.choice([-1.0, 1.0])
    if curve == "constant":
        return {"level": rng.uniform(-2, 2)}
    if curve == "linear":
        return {"intercept": rng.uniform(-1, 1), "slope": sign * rng.uniform(0.005, 0.05)}
    if curve == "log_linear":
        return {"intercept": rng.uniform(-1, 1), "slope": sign * rng.uniform(0.5, 2)}
    if curve == "power_law":
        return {"offset": rng.uniform(-1, 1), "coefficient": sign * 10, "exponent": rng.uniform(-1.5, -0.5)}
    if curve == "exponential":
        start, asymptote = rng.uniform(-1, 1), sign * rng.uniform(3, 5)
        return {"start": start, "asymptote": asymptote, "rate": np.exp(rng.uniform(np.log(0.02), np.log(0.08)))}
    if curve == "logistic":
        return {"shallow": 0.5 + 0.5 * sign, "deep": 0.5 - 0.4 * sign, "midpoint": np.exp(rng.uniform(3.2, 4.2)),
                "steepness": rng.uniform(3, 8)}  # fmt: skip
    return {"level": rng.uniform(-1, 1), "slope_before": sign * rng.uniform(0.03, 0.1),
            "slope_after": -sign * rng.uniform(0.0, 0.02), "knee": rng.uniform(30, 70)}  # fmt: skip


def draw(curve: str, rng: np.random.Generator, *, censored: bool, noise: float = NOISE, least_depths: int = 5) -> Sweep:
    """One synthetic sweep of a random design."""
    p = draw_truth(curve, rng)
    seeds, count = int(rng.integers(3, 11)), int(rng.integers(least_depths, 13))
    at = np.array(DEPTHS, dtype=float)[np.round(np.linspace(0, len(DEPTHS) - 1, count)).astype(int)]
    effect, power = float(rng.choice([0.0, 1.0, 2.0])), float(rng.choice([-1.0, 0.0, 0.0, 1.0]))
    exact = mean(curve, p, at)
    spread = noise * (float(np.ptp(exact)) or 1.0)
    depth, seed = np.repeat(at, seeds), np.tile(np.arange(seeds), count)
    relative = (depth / np.exp(np.log(at).mean())) ** (power / 2)
    value = np.repeat(exact, seeds) + spread * relative * rng.standard_normal(len(depth))
    value = value + effect * spread * rng.standard_normal(seeds)[seed]
    signs = np.zeros(len(depth), dtype=int)
    if censored:
        # A floating-point floor or ceiling: one bound for all values, in which the share of them beyond it lies.
        side = int(rng.choice([-1, 1]))
        bound = float(np.quantile(side * value, 1 - rng.uniform(0.1, 0.4)))
        signs = np.where(side * value > bound, side, 0)
        value = side * np.minimum(side * value, bound)
    return Sweep(curve, p, depth, value, signs, seed, seeds, effect, power)


def coverage(curve: str, repetitions: int, *, censored: bool, rng_seed: int) -> list[dict[str, object]]:
    """A row a repetition: the design, whether each parameter's interval covers, the bands, and open ends."""
    rng = np.random.default_rng([rng_seed, CURVES.index(curve), int(censored)])
    rows: list[dict[str, object]] = []
    for repetition in range(repetitions):
        sweep = draw(curve, rng, censored=censored)
        trend = fit_depth_trend(sweep.depth, sweep.value, curves=[curve], resampling_seed=repetition, **sweep.keywords)
        row: dict[str, object] = {
            "curve": curve, "censored": censored, "seeds": sweep.seeds, "depths": len(sweep.depths),
            "effect": sweep.effect, "power": sweep.power, "verdict": trend.verdict,
        }  # fmt: skip
        if trend.curve is not None:
            exact = sweep.mean(sweep.depths)
            _, low, high = trend.predict(sweep.depths)
            row["band"] = float(np.mean((low <= exact) & (exact <= high)))
            _, low, high = trend.simultaneous(sweep.depths)
            row["whole"] = float(np.all((low <= exact) & (exact <= high)))
            limits = {k: trend.parameters[k][1:] for k in sweep.parameters}
            row["parameters"] = {k: low <= sweep.parameters[k] <= high for k, (low, high) in limits.items()}
            # 0 is the open lower end of a positive parameter.
            row["open"] = float(
                np.mean([not np.isfinite(a) or not np.isfinite(b) or a == 0 for a, b in limits.values()])
            )
        rows.append(row)
    return rows


def limit_coverage(repetitions: int, *, rng_seed: int) -> list[tuple[str, float, float]]:
    """Share of intervals of the trainability limit that hold the truth, and of those with two ends: each seed has its
    own limit (log-normal, spread `between`), and each trial its own luck on top (spread `within`)."""
    out = []
    for between, within in ((0.05, 0.2), (0.2, 0.2), (0.4, 0.05), (0.2, 0.1)):
        rng = np.random.default_rng([rng_seed, int(100 * between), int(100 * within)])
        hits, known = 0, 0
        for _ in range(repetitions):
            seeds, count = int(rng.integers(3, 11)), int(rng.integers(5, 13))
            at = np.array(DEPTHS, dtype=float)[np.round(np.linspace(0, len(DEPTHS) - 1, count)).astype(int)]
            truth = np.exp(rng.uniform(3.0, 4.4))
            own = np.log(truth) + between * rng.standard_normal(seeds)
            trained = np.log(at)[:, None] < own[None, :] + within * rng.standard_normal((count, seeds))
            limit = trainability_limit(np.repeat(at, seeds), trained.ravel(), seed=np.tile(np.arange(seeds), count))
            hits += (limit.low is None or limit.low <= truth) and (limit.high is None or truth <= limit.high)
            known += limit.low is not None and limit.high is not None
        out.append((f"spread {between:g} between seeds, {within:g} within", hits / repetitions, known / repetitions))
    return out


CLEAR = 4.0
CHOICE_NOISE = 0.03
SIZES = dict(zip(CURVES, (1, 2, 2, 3, 3, 4, 4), strict=True))
"""Parameters of each curve."""


def choice(curve: str, repetitions: int, *, censored: bool, rng_seed: int) -> tuple[float, float, float]:
    """Shares in which the true curve is chosen, is chosen or tied, and the coverage of the averaged band."""
    rng = np.random.default_rng([rng_seed, 100 + CURVES.index(curve), int(censored)])
    chosen, tied, band = [], [], []
    while len(tied) < repetitions:
        sweep = draw(curve, rng, censored=censored, noise=CHOICE_NOISE, least_depths=6)
        if not clear(sweep):
            continue
        trend = fit_depth_trend(sweep.depth, sweep.value, **sweep.keywords)
        chosen.append(trend.curve == curve)
        tied.append(curve in trend.tied)
        exact = sweep.mean(sweep.depths)
        _, low, high = trend.predict(sweep.depths)
        band.append(np.mean((low <= exact) & (exact <= high)))
    return float(np.mean(chosen)), float(np.mean(tied)), float(np.mean(band))


def clear(sweep: Sweep) -> bool:
    """Whether no other curve of as few parameters comes close to the truth where values are seen. One of more can at
    best tie."""
    seen = np.array([d for d in sweep.depths if np.mean(sweep.censored[sweep.depth == d] == 0) > 0.5])
    exact = sweep.mean(seen)
    size = len(sweep.parameters)
    if len(seen) < size + 2:
        return False
    noise = CHOICE_NOISE * float(np.ptp(sweep.mean(sweep.depths)) or 1.0)
    for rival in (c for c in CURVES if c != sweep.curve and SIZES[c] <= size):
        trend = fit_depth_trend(seen, exact, curves=[rival], resamples=1)
        away = np.sqrt(np.mean((trend.predict(seen)[0] - exact) ** 2))
        if away < CLEAR * noise / np.sqrt(sweep.seeds * len(seen)):
            return False
    return True


def show(rows: list[dict[str, object]], curves: Iterable[str]) -> None:
    for curve in curves:
        for censored in (False, True):
            own = [r for r in rows if r["curve"] == curve and r["censored"] == censored]
            fitted = [r for r in own if "band" in r]
            if not fitted:
                continue
            words = [f"{k} {share([r['parameters'][k] for r in fitted])}" for k in fitted[0]["parameters"]]  # type: ignore[index]
            print(
                f"{curve:12}{'censored' if censored else 'all seen':9} band {share([r['band'] for r in fitted])} "
                f"whole {share([r['whole'] for r in fitted])} open {share([r['open'] for r in fitted])} | "
                f"{', '.join(words)}" + (f" | {len(own) - len(fitted)} not fitted" if len(own) > len(fitted) else "")
            )


def show_designs(rows: list[dict[str, object]]) -> None:
    for censored in (False, True):
        table = defaultdict(list)
        for row in rows:
            if "band" in row and row["censored"] == censored:
                hit = np.mean(list(row["parameters"].values()))  # type: ignore[attr-defined]
                for key in (
                    f"seeds {'3-4' if row['seeds'] < 5 else '5-7' if row['seeds'] < 8 else '8-10'}",
                    f"depths {'5-7' if row['depths'] < 8 else '8-12'}",
                    f"effect {row['effect']:g}", f"power {row['power']:g}",
                ):  # fmt: skip
                    table[key].append((hit, row["band"], row["whole"]))
        for key in sorted(table):
            p, band, whole = np.mean(table[key], axis=0)
            kind = "censored" if censored else "all seen"
            print(f"{kind} {key:12} parameters {p:.3f} band {band:.3f} whole {whole:.3f}")


def share(hits: list[object]) -> str:
    return f"{np.mean(np.asarray(hits, dtype=float)):.3f}"


def main() -> None:
    words = sys.argv[1:]
    repetitions = next((int(w) for w in words if w.isdigit()), 100)
    rng_seed = next((int(w.removeprefix("rng=")) for w in words if w.startswith("rng=")), 0)
    censorings = [c for w, c in (("seen", False), ("censored", True)) if w in words] or [False, True]
    wanted = [w for w in words if w in (*CURVES, "limit", "choice")] or [*CURVES, "limit", "choice"]
    start = time.process_time()
    rows: list[dict[str, object]] = []
    for curve in (c for c in CURVES if c in wanted and "choice" not in words):
        for censored in censorings:
            new = coverage(curve, repetitions, censored=censored, rng_seed=rng_seed)
            rows += new
            show(new, [curve])
            sys.stdout.flush()
    show_designs(rows)
    for name, hit, known in limit_coverage(repetitions, rng_seed=rng_seed) if "limit" in wanted else ():
        print(f"limit, {name}: covers {hit:.3f}, two-sided {known:.2f}")
    for curve in (c for c in CURVES if "choice" in wanted and (c in wanted or not set(CURVES) & set(wanted))):
        for censored in censorings:
            if curve == "constant" and censored:
                continue
            one, tied, band = choice(curve, repetitions, censored=censored, rng_seed=rng_seed)
            print(
                f"{curve:12}{'censored' if censored else 'all seen':9} chosen {one:.3f}, or tied {tied:.3f}, "
                f"averaged band {band:.3f}",
                flush=True,
            )
    print(f"{repetitions} repetitions each, rng={rng_seed}, {time.process_time() - start:.0f} s of CPU")


if __name__ == "__main__":
    main()
