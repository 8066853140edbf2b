"""What `auto` decides, and from what."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from skipray.datasets import gaussian, open_dataset
from skipray.spec import DatasetSpec, ModelSpec, ProbeSpec, Recipe, Resources, TrialSpec
from skipray.spec.recipes import piece_sizes
from skipray.trial import run_trial
from skipray.trial.compiling import paying
from skipray.trial.compiling.paying import MARGIN, Forecast, Twin, estimate

pytestmark = [pytest.mark.xdist_group("compiler"), pytest.mark.timeout(600)]
DATA = DatasetSpec(name="gaussian", options={"features": 16, "samples": 230, "classes": 4, "separation": 4.0})
CHEAP = (Twin(8, 1.0, 0.5, 1e-9), Twin(12, 1.5, 0.75, 1e-9))
DEAR = (Twin(8, 1.0, 0.5, 1e6), Twin(12, 1.5, 0.75, 1e6))


@pytest.fixture(autouse=True)
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SKIPRAY_CACHE", str(tmp_path / "data"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiler"))
    (tmp_path / "compiler").mkdir()
    return tmp_path / "compiler"


def trial(**changes: Any) -> TrialSpec:
    values: dict[str, Any] = {"epochs": 2, "batch_size": 50, "learning_rate": 0.05, "momentum": 0.9}
    values |= {"weight_decay": 1e-4, "schedule": "cosine", "augmentation": "none", "compile": "auto"}
    return TrialSpec(
        sweep="test",
        dataset=DATA,
        fingerprint=gaussian.FINGERPRINT,
        model=ModelSpec(
            architecture="plainnet", kind="mlp", depth=8, width=6, normalization="batch", initialisation="he_normal",
            activation="relu",
        ),
        recipe=Recipe(**values | changes),
        probe=ProbeSpec(samples=32, preset="none"),
        seed=0,
        resources=Resources(),
    )  # fmt: skip


def test_the_estimate_by_hand() -> None:
    # Compiled steps take half of the plain ones at both depths; compiling 3 + depth / 4 seconds, twice.
    twins = (Twin(8, 1.0, 0.5, 5.0), Twin(12, 1.5, 0.75, 6.0))
    found = estimate(32, 10.0, twins, steps=10, sizes=2)
    assert found == Forecast(10, 2, 10.0, pytest.approx(5.0), pytest.approx(2 * 11.0))
    assert found.plain_seconds == 100
    assert found.compiled_seconds == pytest.approx(72)
    assert found.pays
    assert not estimate(32, 10.0, twins, steps=5, sizes=2).pays, "36 + 22 of 50 seconds"


def test_a_gain_that_only_deep_networks_would_have_is_not_believed() -> None:
    twins = (Twin(8, 1.0, 0.9, 5.0), Twin(12, 1.5, 1.2, 6.0))  # along the lines 0.28 of the plain step at 100 layers
    found = estimate(100, 10.0, twins, steps=10, sizes=1)
    assert found.compiled_step == pytest.approx(10 * 0.9 * 1.2 / 1.5)


@pytest.mark.parametrize(("saved", "pays"), [(MARGIN - 0.01, False), (MARGIN + 0.01, True), (-0.2, False)])
def test_what_saves_next_to_nothing_does_not_pay(saved: float, pays: bool) -> None:
    assert Forecast(100, 1, 1.0, 1 - saved, 0.0).pays == pays


@pytest.mark.parametrize("pieces", [1, 2, 3, 7])
def test_an_epoch_has_at_most_two_sizes_of_pieces(pieces: int) -> None:
    for samples in range(2, 130):
        for batch in (7, 16, 50):
            recipe = trial(batch_size=batch, gradient_accumulation=pieces).recipe
            batches = torch.arange(samples).tensor_split(-(-samples // batch))
            split = [piece for b in batches for piece in b.tensor_split(min(pieces, len(b)))]
            assert piece_sizes(recipe, samples) == {len(piece) for piece in split}
            assert len(piece_sizes(recipe, samples)) <= 2


def test_a_short_trial_is_not_looked_into(compiler: Path) -> None:
    found = run_trial(trial())
    assert found.environment["compile"] == "none"
    assert found.compiling["ran"] == "none"
    assert "less than 300" in found.compiling["why"]
    assert not list(compiler.iterdir())
    plain = run_trial(trial(compile="none"))
    assert [e.metrics for e in found.epochs] == [e.metrics for e in plain.epochs], "measuring changes no number"


def test_what_was_decided_is_recorded_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    monkeypatch.setattr(paying, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(paying, "twins_of", lambda timer, folder: CHEAP)
    kept: list[bytes] = []

    class Place:
        def load(self) -> bytes | None:
            return kept[-1] if kept else None

        def save(self, state: bytes) -> None:
            kept.append(state)

    left = [5]

    def stop() -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    whole = run_trial(trial())
    assert whole.environment["compile"] == "default"
    told = json.loads(json.dumps(whole.compiling))
    assert told["asked"] == "auto"
    assert [twin["depth"] for twin in told["twins"]] == [8, 12]
    assert told["steps"] == 2 * math.ceil(207 / 50)
    assert 0 < told["estimated_compiled_step_seconds"] < told["step_seconds"]
    with pytest.raises(KeyboardInterrupt):
        run_trial(trial(), checkpoints=Place(), interrupted=stop)
    monkeypatch.setattr(paying, "twins_of", lambda timer, folder: DEAR)
    resumed = run_trial(trial(), checkpoints=Place())
    assert resumed.environment["compile"] == "default"
    assert resumed.weights == whole.weights
    fresh = run_trial(trial())
    assert fresh.environment["compile"] == "none"
    assert "it has to save 10%" in fresh.compiling["why"]


def test_twins_are_measured_once(compiler: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paying, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(paying, "DEEPER", 1.2)
    monkeypatch.setattr(paying, "ENOUGH_SECONDS", 0.0)
    first = run_trial(trial())
    twins = first.compiling["twins"]
    assert [twin["depth"] for twin in twins] == [4, 6]
    assert all(twin[key] > 0 for twin in twins for key in ("step", "compiled_step", "compiling"))
    assert [e.metrics for e in first.epochs] == [e.metrics for e in run_trial(trial(compile="none")).epochs]
    (kept,) = compiler.glob("skipray-twins-*.json")
    monkeypatch.setattr(paying, "Compiled", None)  # nothing is compiled any more
    assert run_trial(trial(learning_rate=0.1)).compiling["twins"] == twins
    kept.write_text("no JSON")
    assert "twin cannot be measured" in run_trial(trial()).compiling["why"]


@pytest.mark.parametrize(("depth", "twins"), [(4, (4, 8)), (8, (4, 8)), (20, (6, 12)), (56, (8, 14)), (1000, (8, 14))])
def test_depths_of_twins(depth: int, twins: tuple[int, int]) -> None:
    deep = trial()
    deep = replace(deep, model=deep.model.model_copy(update={"depth": depth}))
    splits = open_dataset(DATA, gaussian.FINGERPRINT)
    assert paying.StepTimer(deep, splits).depths() == twins


def test_a_family_without_twins_stays_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paying, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(paying, "TRIED", 4)
    assert "found no two depths of plainnet below 4" in run_trial(trial()).compiling["why"]
