"""Sweeps with planted effects for one claim each, by its id; for bench_claims.py.

A sweep has three families, six depths and seeds with effects of their own that twins share. `null`: no effect
(families are alike, or the quantity lies where a claim begins to be false). `edge`: a claim of several parts with one
part at its margin and the others true. `planted`: every part two standard deviations beyond its margin, the deviation
being that of what one seed says (of the difference between its twins, of its rise over depth). `reversed`: the same
to the other side.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from skipray.records import LAYER_COLUMNS

DEPTHS = (8, 20, 38, 56, 74, 110)
FAMILIES = ("plainnet", "resnet", "resnext")
SIZES = {"null": 0.0, "planted": 2.0, "reversed": -2.0, "edge": 0.0}
RISE_POINTS, RANK, COSINE, FINITE, FAR, NEAR = 1.0, 2.0, 0.9, 6.0, 1.0, 0.5
"""The margins of C1b, C3, C4, C6 and C10, written out so that any release can be measured."""

Sweep = tuple[pd.DataFrame, pd.DataFrame | None]


def grid(seeds: int, families: tuple[str, ...] = FAMILIES, depths: tuple[int, ...] = DEPTHS) -> pd.DataFrame:
    rows = [
        (f"{family}-{depth}-{seed}", family, depth, seed, "trained")
        for family in families
        for depth in depths
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows, columns=["trial_id", "architecture", "depth", "seed", "outcome"])


def noise(trials: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """(trials,) an effect of the seed, which twins share, and one of the run, each of spread 1."""
    return rng.standard_normal(100)[trials["seed"]] + rng.standard_normal(len(trials))


def runs(trials: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """(trials,) noise of a level that is judged by itself: of spread 1 in all."""
    return noise(trials, rng) / np.sqrt(2)


def is_family(trials: pd.DataFrame, name: str) -> np.ndarray:
    return (trials["architecture"] == name).to_numpy(dtype=float)


def c1a(kind: str, seeds: int, rng: np.random.Generator) -> Sweep:
    trials = grid(seeds)
    spread, size = 0.25, SIZES[kind] * np.sqrt(2)
    limit = np.log(40.0) - 0.5 * size * spread + np.where(trials["architecture"] == "plainnet", 0.0, size * spread)
    if kind == "edge":
        limit = limit + 1.5 * is_family(trials, "resnext")
    own = spread * runs(trials.drop_duplicates(["architecture", "seed"]), rng)
    each = trials.drop_duplicates(["architecture", "seed"])[["architecture", "seed"]].assign(own=own)
    moved = limit + trials.merge(each, on=["architecture", "seed"])["own"].to_numpy()
    trains = np.log(trials["depth"]) < moved + 0.05 * rng.standard_normal(len(trials))
    return trials.assign(outcome=np.where(trains, "trained", "untrained")), None


def c1b(kind: str, seeds: int, rng: np.random.Generator) -> Sweep:
    trials = grid(seeds, ("resnet", "resnext"))
    way = np.log(trials["depth"] / DEPTHS[0]) / np.log(DEPTHS[-1] / DEPTHS[0])
    sd = 0.5  # percentage points
    # A seed's own line has this error of its rise.
    error = sd / np.sqrt(np.sum((np.unique(way) - np.unique(way).mean()) ** 2))
    rise = RISE_POINTS - SIZES[kind] * error
    rise = np.where(trials["architecture"] == "resnext", -1.0, rise) if kind == "edge" else rise
    lost = 3.0 + rise * way + sd * noise(trials, rng)
    return trials.assign(**{"train.accuracy": 1 - lost / 100}), None


def layer_table(
    trials: pd.DataFrame, profile: Callable[[pd.Series], np.ndarray], tensor: str = "hidden"
) -> pd.DataFrame:
    values = [np.asarray(profile(trial)) for _, trial in trials.iterrows()]
    value, counts = np.concatenate(values), [len(v) for v in values]
    layer = np.concatenate([np.arange(n) for n in counts])
    same = {"epoch": 10, "layer": "block", "tensor": tensor, "unfolding": "matrix", "centred": False, "phase": "eval"}
    same |= {"statistic": "log10_condition", "version": 1, "note": ""}
    rows = {"trial_id": np.repeat(trials["trial_id"].to_numpy(), counts), "layer_index": layer}
    rows |= {"value": np.minimum(value, 6.9), "censored": (value > 6.9).astype(int)}
    return pd.DataFrame(rows | {c: same[c] for c in LAYER_COLUMNS if c in same})


def c2(kind: str, seeds: int, rng: np.random.Generator) -> Sweep:
    trials = grid(seeds, ("plainnet",), (20, 38))
    slopes = dict(zip(trials["trial_id"], 0.05 * (SIZES[kind] + runs(trials, rng)), strict=True))

    def profile(trial: pd.Series) -> np.ndarray:
        return 2.0 + slopes[trial["trial_id"]] * np.arange(trial["depth"]) + 0.02 * rng.standard_normal(trial["depth"])

    return trials, layer_table(trials, profile)


def c3(kind: str, seeds: int, rng: np.random.Generator) -> Sweep:
    trials = grid(seeds, ("plainnet",))
    size = 1.0 if kind == "edge" else SIZES[kind]
    deep = np.log(trials["depth"] / DEPTHS[0]) / np.log(DEPTHS[-1] / DEPTHS[0])
    if kind == "null":
        rank, cosine = 10.0 + 0 * deep, 0.3 + 0 * deep
    else:
        rank = RANK - 0.2 * size + 8 * (1 - deep)
        cosine = COSINE + 0.02 * size - 0.6 * (1 - deep)
    if kind == "edge":
        rank = rank + 0.2
    return trials.assign(
        **{
            "hidden.effective_rank.last": rank + 0.2 * runs(trials, rng),
            "hidden.mean_cosine.last": cosine + 0.02 * runs(trials, rng),
        }
    ), None


def c4(kind: str, seeds: int, rng: np.random.Generator) -> Sweep:
    trials = grid(seeds, ("resnet", "resnext"), (20, 38))
    size = SIZES[kind]
    level = FINITE - 0.4 * size - (1.2 if kind == "edge" else 0.0)
    value = level + 0.4 * runs(trials, rng)
    falls = 0.3 * (size + runs(trials, rng))
    fall = dict(zip(trials["trial_id"], falls, strict=True))
    value_of = dict(zip(trials["trial_id"], value, strict=True))

    def profile(trial: pd.Series) -> np.ndarray:
        down = np.linspace(0.75, -0.75, trial["depth"])
        return value_of[trial["trial_id"]] - 2 + fall[trial["trial_id"]] * down

    trials = trials.assign(
        **{
            "hidden.log10_condition.median": np.minimum(value, 6.9),
            "hidden.log10_condition.median.censored": (value > 6.9).astype(float),
        }
    )
    return trials, layer_table(trials, profile)


def c5(kind: str, seeds: int, rng: np.random.Generator) -> Sweep:
    trials = grid(seeds, ("plainnet",), (20, 38))
    size, hidden = SIZES[kind], {}

    def first(trial: pd.Series) -> np.ndarray:
        hidden[trial["trial_id"]] = rng.standard_normal(trial["depth"])
        return 3 + hidden[trial["trial_id"]]

    def follows(part: float) -> Callable[[pd.Series], np.ndarray]:
        return lambda trial: 3 + part * hidden[trial["trial_id"]] + rng.standard_normal(trial["depth"])

    tables = [layer_table(trials, first)]
    tables.append(layer_table(trials, follows(0.3 * size), "weight_gradient"))
    tables.append(layer_table(trials, follows(2.0 if kind == "edge" else 0.3 * size), "weight_update"))
    return trials, pd.concat(tables)


def c6(kind: str, seeds: int, rng: np.random.Generator) -> Sweep:
    trials = grid(seeds)
    sd, size = 0.2, SIZES[kind]
    # The claim is false without any difference, and at the margin of `far above`.
    far = 0.0 if kind == "null" else FAR + size * sd
    value = 2.0 - far * is_family(trials, "resnet") + sd * noise(trials, rng)
    return trials.assign(**{"weight.log10_condition.median": value}), None


def c7(kind: str, seeds: int, rng: np.random.Generator) -> Sweep:
    trials = grid(seeds, ("resnet", "resnext"))
    value = 6.0 - 0.4 * SIZES[kind] * is_family(trials, "resnext") + 0.4 * noise(trials, rng)
    return trials.assign(
        **{
            "hidden.log10_condition.median": np.minimum(value, 6.9),
            "hidden.log10_condition.median.censored": (value > 6.9).astype(float),
        }
    ), None


def c8(kind: str, seeds: int, rng: np.random.Generator) -> Sweep:
    trials = grid(seeds, ("resnet", "resnext"), (38,))
    lead = SIZES[kind] * np.sqrt(2)
    value = 0.9 + 0.004 * (lead * is_family(trials, "resnext") + noise(trials, rng))
    return trials.assign(**{"test.accuracy": np.round(value, 4)}), None


def c9(kind: str, seeds: int, rng: np.random.Generator) -> Sweep:
    trials = grid(seeds)
    kappa = noise(trials, rng) / np.sqrt(2)
    # Standardised, so that the association explains `size` times the noise's spread.
    gap = SIZES[kind] * kappa + noise(trials, rng) / np.sqrt(2)
    depth = np.log(trials["depth"].to_numpy() / 30)
    common = 2.0 if kind == "edge" else 0.0  # depth moves both, and is their only link
    return trials.assign(
        **{
            "hidden.log10_condition.median": 3 + 0.3 * (kappa + common * depth),
            "gap.accuracy": 0.1 + 0.01 * (gap + common * depth),
            "train.accuracy": 1.0,
        }
    ), None


def c10(kind: str, seeds: int, rng: np.random.Generator) -> Sweep:
    trials = grid(seeds, ("plainnet", "resnet"), (20, 38))
    sd, size = 0.1, SIZES[kind]
    own = NEAR - size * sd - (0.4 if kind == "edge" else 0.0)
    value = own + size * sd * is_family(trials, "plainnet") + sd * runs(trials, rng)
    return trials.assign(**{"deletion.output_change.median": value}), None


def c11(kind: str, seeds: int, rng: np.random.Generator) -> Sweep:
    trials = grid(seeds, ("plainnet", "resnet"), (20, 38))
    size = SIZES[kind]
    share = {"null": 0.5, "planted": 0.95, "reversed": 0.05, "edge": 0.95}[kind]
    plain = is_family(trials, "plainnet") > 0
    trains = ~plain | (rng.random(len(trials)) < share)
    lead = 0.01 * size
    return trials.assign(
        initialisation=np.where(plain, "dirac", "he_normal"),
        outcome=np.where(trains, "trained", "untrained"),
        **{"test.accuracy": 0.9 + lead * ~plain + 0.01 * noise(trials, rng)},
    ), None


MAKERS = {f.__name__: f for f in (c1a, c1b, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11)}
