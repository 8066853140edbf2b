"""Whole sweeps in which the truth of every claim is known, for bench_claims.py: all metrics of three families at
once."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from _planted_claims import COSINE, DEPTHS, FAR, FINITE, NEAR, RANK, RISE_POINTS, grid, is_family, layer_table, noise

EDGE_CLAIMS = ("C1a", "C1b", "C2", "C3", "C4", "C6", "C7", "C8", "C9", "C10")


@dataclass(frozen=True)
class Whole:
    """What holds in a sweep, in standard deviations of one run's own noise (of a pair of twins: times sqrt 2)."""

    size: float
    """How far every quantity lies beyond its margin, to the claimed side."""
    no_effect: bool
    """All families alike and nothing changes with depth or layer: margins that are not 0 are then far."""


NULL = Whole(0.0, True)
EDGES = Whole(0.0, False)
"""Every quantity exactly at its margin."""
PLANTED = Whole(2.0, False)


def make(whole: Whole, seeds: int, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Trials and layers. Twins share an effect of their seed as large as the noise of a run."""
    trials = grid(seeds)
    plain, residual = is_family(trials, "plainnet"), is_family(trials, "resnet")
    aggregated = is_family(trials, "resnext")
    way = (np.log(trials["depth"] / DEPTHS[0]) / np.log(DEPTHS[-1] / DEPTHS[0])).to_numpy()
    pair = whole.size * np.sqrt(2)
    alike = whole.no_effect

    def one(sd: float) -> np.ndarray:
        return sd * noise(trials, rng)

    limit = np.log(40.0) + 0.25 * pair * (1 - plain)
    each = trials.drop_duplicates(["architecture", "seed"])[["architecture", "seed"]]
    moved = each.assign(own=0.25 * noise(each, rng) / np.sqrt(2))
    reach = limit + trials.merge(moved, on=["architecture", "seed"])["own"].to_numpy()
    trains = np.log(trials["depth"]) < reach + 0.05 * rng.standard_normal(len(trials))
    rise = 0.0 if alike else RISE_POINTS - 0.5 * pair
    rank = 10.0 if alike else RANK - 0.2 * pair + (8 + 0.2 * pair) * (1 - way)
    cosine = 0.3 if alike else COSINE + 0.02 * pair - 0.6 * (1 - way)
    level = 3.0 if alike else FINITE - 0.3 * pair
    kappa = level - 0.3 * pair * aggregated + one(0.3)
    far = 0.0 if alike else FAR + 0.2 * pair
    change = 0.75 if alike else NEAR - 0.1 * pair + (2 * 0.1 * pair) * plain
    weight = 2.0 - far * residual - (0.0 if alike else (0.5 - min(0.2 * pair, 0.5)) * aggregated) + one(0.2)
    made = trials.assign(
        outcome=np.where(trains, "trained", "untrained"),
        **{
            "train.accuracy": 1 - (3.0 + rise * way + one(0.5)) / 100,
            "test.accuracy": 0.9 + 0.004 * pair * aggregated + one(0.004),
            "hidden.effective_rank.last": rank + one(0.2),
            "hidden.mean_cosine.last": cosine + one(0.02),
            "hidden.log10_condition.median": np.minimum(kappa, 6.9),
            "hidden.log10_condition.median.censored": (kappa > 6.9).astype(float),
            "weight.log10_condition.median": weight,
            "deletion.output_change.median": change + one(0.1),
        },
    )
    together = whole.size * (kappa - kappa.mean()) / kappa.std()
    made["gap.accuracy"] = 0.1 + 0.01 * (together + noise(trials, rng) / np.sqrt(2))
    # Networks that fit: C9 compares no others. Train error is measured by C1b, so that it is moved, not replaced.
    made["train.accuracy"] += 0.03
    return made, _profiles(made, whole, rng)


def _profiles(trials: pd.DataFrame, whole: Whole, rng: np.random.Generator) -> pd.DataFrame:
    """Profiles: plain ones rise along a line, the others fall; the slopes vary from run to run and seed to seed."""
    own = dict(zip(trials["trial_id"], 0.5 * noise(trials, rng) / np.sqrt(2), strict=True))

    def profile(trial: pd.Series) -> np.ndarray:
        layers = int(trial["depth"] // 2)
        sign = 1 if trial["architecture"] == "plainnet" else -1
        over = sign * (0.5 * whole.size * np.sqrt(2) + own[trial["trial_id"]])
        return 2.0 + over * np.linspace(-0.75, 0.75, layers) + 0.02 * rng.standard_normal(layers)

    return layer_table(trials, profile)
