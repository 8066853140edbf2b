"""Synthetic sweeps whose truth is known, and one claim judged by itself."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from skipray.claims import Claim
from skipray.claims.judging.data import SweepData
from skipray.claims.judging.verdict import Stated, judged
from skipray.extension import catalog
from skipray.records import LAYER_COLUMNS

DEPTHS = (8, 20, 38, 56, 74, 110)


def make_table(measure, seeds: int = 5, families=("plainnet", "resnet", "resnext"), depths=DEPTHS) -> pd.DataFrame:
    """One row per trial; `measure(family, depth, seed)` gives its columns."""
    rows = []
    for family in families:
        for depth in depths:
            for seed in range(seeds):
                own = {"outcome": "trained"} | measure(family, depth, seed)
                rows.append(
                    {"trial_id": f"{family}-{depth}-{seed}", "architecture": family, "depth": depth, "seed": seed} | own
                )
    return pd.DataFrame(rows)


def judge_alone(
    claim_id: str, trials: pd.DataFrame, layers: pd.DataFrame | None = None, roles: dict[str, str] | None = None
) -> Claim:
    """One claim by itself: a family of one."""
    module = catalog.find("claims", claim_id.lower())
    return judged([Stated(claim_id, "", module.judge(SweepData.read(trials, layers, None, roles)))])[0]


def make_noisy(rng: np.random.Generator, metric: str, offsets: dict[str, float], sd: float):
    """A measure: offset of the family plus the seed's own and the trial's own noise."""
    own = rng.standard_normal(100)

    def measure(family, depth, seed):
        return {metric: offsets.get(family, 0.0) + sd * (own[seed] + rng.standard_normal())}

    return measure


def make_layer_table(trials: pd.DataFrame, profile, tensor: str = "hidden") -> pd.DataFrame:
    """A layer table: `profile(trial, layer)` gives (value, censored) of log10_condition."""
    rows = []
    for trial in trials.itertuples():
        for layer in range(int(trial.depth)):
            value, censored = profile(trial, layer)
            rows.append(
                (trial.trial_id, 10, f"l{layer}", layer, tensor, "matrix", False, "eval", "log10_condition", 1, value,
                 censored, "")
            )  # fmt: skip
    return pd.DataFrame(rows, columns=["trial_id", *LAYER_COLUMNS])


@pytest.fixture(scope="session")
def table() -> Callable[..., pd.DataFrame]:
    return make_table


@pytest.fixture(scope="session")
def verdict() -> Callable[..., Claim]:
    return judge_alone


@pytest.fixture(scope="session")
def noisy() -> Callable:
    return make_noisy


@pytest.fixture(scope="session")
def layer_table() -> Callable[..., pd.DataFrame]:
    return make_layer_table


@pytest.fixture(scope="session")
def benchmark() -> ModuleType:
    """tests/benchmarks/bench_claims.py, which plants the sweeps and has the full table."""
    path = Path(__file__).parents[1] / "benchmarks" / "bench_claims.py"  # which finds its neighbours itself
    spec = importlib.util.spec_from_file_location("bench_claims", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
