"""What a trial will take: against trials that are run here, and against counts written out."""

import gc
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from skipray import datasets
from skipray.planning.estimate import CPU, estimate_seconds, memory_bytes, train_samples
from skipray.planning.notes import notes_of
from skipray.planning.plan import make_plan, trial_sizes
from skipray.spec import ProbeSpec, SweepSpec, TrialSpec, load_sweep

SWEEPS = Path(__file__).parents[2] / "sweeps"


def estimate(trial: TrialSpec) -> float:
    return estimate_seconds(trial, trial_sizes(trial), CPU)


def mixed_sweep(path: Path) -> SweepSpec:
    """Narrow and wide, connected and convolutional, probed and not: what the terms of the estimate tell apart."""
    path.write_text(
        "name: mixed\nquestion: what takes long?\n"
        "dataset: {name: digits, train_samples: 128, test_samples: 64}\n"
        "model: {normalization: batch, initialisation: he_normal, activation: relu, residual_scale: 1, block: basic,\n"
        "  shortcut: A, layout: cifar, cardinality: 4, group_width: 4}\n"
        "recipe: {epochs: 2, batch_size: 32, learning_rate: 0.01, momentum: 0.9, weight_decay: 0, schedule: constant,\n"
        "  augmentation: none}\n"
        "factors: {architecture: [plainnet, resnext], kind: [mlp, cnn], depth: [20, 38], width: [4, 32]}\n"
        "exclude:\n- {architecture: resnext, width: 32}\n- {kind: cnn, depth: 38, width: 32}\n"
        "probe: {samples: 64}\nseeds: [0]\n"
    )
    return load_sweep(path)


def test_the_order_is_that_of_measured_times(tmp_path, monkeypatch) -> None:
    from skipray.trial import run_trial

    monkeypatch.setenv("SKIPRAY_CACHE", str(tmp_path))
    cells = mixed_sweep(tmp_path / "mixed.yaml").cells
    assert len(cells) == 11
    run_trial(cells[0])  # opens the data, warms caches

    def measured(trial: TrialSpec) -> float:
        """The lesser of two, without collections: one of a long session's objects costs more than a short trial."""
        seconds = []
        for _ in range(2):
            gc.disable()
            start = time.process_time()
            run_trial(trial)
            seconds.append(time.process_time() - start)
            gc.enable()
        return min(seconds)

    times = [measured(cell) for cell in cells]
    guesses = [estimate(cell) for cell in cells]
    assert max(times) / min(times) > 5  # else the order would say little
    assert spearmanr(guesses, times).statistic > 0.9
    ratios = [guess / spent for guess, spent in zip(guesses, times, strict=True)]
    assert max(ratios) / min(ratios) < 4  # whatever the speed of this machine


def test_networks_that_are_only_measured_have_an_order_too() -> None:
    plan = make_plan(load_sweep(SWEEPS / "theory.yaml"))
    seconds = [p.seconds for p in plan.trials]
    depths = [p.trial.model.depth for p in plan.trials]
    assert min(seconds) > 0
    assert seconds == sorted(seconds, reverse=True)
    assert depths[0] == 164
    assert depths == sorted(depths, reverse=True)
    assert plan.total_seconds > 0


def test_what_a_probe_measures_costs() -> None:
    cell = load_sweep(SWEEPS / "quickstart.yaml").cells[-1]
    probes = [
        ProbeSpec(preset="none"),
        ProbeSpec(),
        ProbeSpec(every_epochs=5),
        ProbeSpec(every_epochs=5, gradients=True),
        ProbeSpec(preset="full", every_epochs=5),
    ]
    seconds = [estimate(replace(cell, probe=probe)) for probe in probes]
    assert seconds == sorted(set(seconds))
    # 20 epochs: at the start, after epochs 5, 10 and 15, at the end.
    assert cell.recipe.epochs == 20
    assert (seconds[2] - seconds[0]) / (seconds[1] - seconds[0]) == pytest.approx(5 / 2)


def test_what_is_compiled_costs_by_its_depth_and_by_the_sizes_of_its_batches() -> None:
    cell = load_sweep(SWEEPS / "quickstart.yaml").cells[-1]

    def compiled(**changes: Any) -> float:
        plain = replace(cell, recipe=cell.recipe.model_copy(update=changes))
        more = replace(cell, recipe=plain.recipe.model_copy(update={"compile": "default"}))
        return estimate(more) - estimate(plain)

    samples = train_samples(cell)
    one = compiled(batch_size=samples)
    assert one == pytest.approx(4.0 + 0.3 * cell.model.depth)
    assert compiled(batch_size=samples - 1) == pytest.approx((1 + samples % 2) * one)
    assert compiled(epochs=0) == 0
    auto = replace(cell, recipe=cell.recipe.model_copy(update={"compile": "auto"}))
    assert estimate(auto) == estimate(cell)


def test_timed_steps_are_not_charged_with_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cold once, then from what the compiler keeps: both would pass for steps and epochs."""
    from skipray.scheduling.ray.timing import Estimate, time_steps

    now, cold = [0.0], [20.0]
    samples = train_samples(load_sweep(SWEEPS / "quickstart.yaml").cells[0])

    def run(trial: TrialSpec, data_root: str | None = None) -> SimpleNamespace:
        compiling = cold.pop() if cold else 1.7
        steps = trial.recipe.epochs * -(-train_samples(trial) // trial.recipe.batch_size)
        now[0] += compiling + 0.3 + 0.01 * steps
        return SimpleNamespace(probe_seconds=0.0, compiling={"compile_seconds": compiling})

    monkeypatch.setattr("skipray.trial.run_trial", run)
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    cell = load_sweep(SWEEPS / "quickstart.yaml", ["recipe.compile=default", "recipe.batch_size=64"]).cells[0]
    timing = time_steps(cell)
    assert timing.step == pytest.approx(0.01)
    assert timing.epoch == pytest.approx(0.0, abs=1e-9)
    sizes = 1 if samples % -(-samples // 64) == 0 else 2
    assert timing.start == pytest.approx(0.3 + sizes * 20)
    assert Estimate([timing])(cell) == pytest.approx(timing.start + cell.recipe.epochs * -(-samples // 64) * 0.01)


def test_evaluated_samples_by_hand() -> None:
    dataset = load_sweep(SWEEPS / "quickstart.yaml").dataset
    # 900 for training, 100 for validation, 200 assumed for the test; parts of at most 256.
    assert datasets.evaluated_samples(dataset, 900, 0) == 1200
    assert datasets.evaluated_samples(dataset, 900, 3) == 3 * (256 + 100 + 200) + 1200
    known = dataset.model_copy(update={"test_samples": 50})
    assert datasets.evaluated_samples(known, 900, 1) == (256 + 100 + 50) + (900 + 100 + 50)


def test_memory_is_what_goes_through_at_once_and_three_copies_of_the_parameters() -> None:
    cell = load_sweep(SWEEPS / "quickstart.yaml").cells[0]
    sizes = trial_sizes(cell)
    assert sizes is not None
    order = np.arange(train_samples(cell))
    for size, pieces in ((512, 1), (64, 1), (64, 4), (100_000, 1), (100_000, 3)):
        changed = {"batch_size": size, "gradient_accumulation": pieces}
        trial = replace(cell, recipe=cell.recipe.model_copy(update=changed))
        batches = np.array_split(order, -(-len(order) // size))
        together = max(len(part) for batch in batches for part in np.array_split(batch, pieces))
        assert memory_bytes(trial, sizes) == together * sizes.activation_bytes + 3 * 4 * sizes.parameters


def test_training_samples_follow_the_split() -> None:
    cell = load_sweep(SWEEPS / "paper-cifar10.yaml").cells[0]
    assert train_samples(cell) == 45_000
    assert train_samples(replace(cell, dataset=cell.dataset.model_copy(update={"train_samples": 77}))) == 77


def test_a_thousand_cells_are_planned_in_seconds(tmp_path) -> None:
    text = (SWEEPS / "paper-cifar10.yaml").read_text()
    depths = [20 + 18 * i for i in range(20)]
    rates = [round(0.01 * (i + 1), 2) for i in range(10)]
    text = text.replace("depth: [20, 38, 56, 74, 92, 110, 128, 146, 164]", f"depth: {depths}")
    text = text.replace("  learning_rate: 0.1\n", "").replace(
        "[batch, none]", f"[batch, none]\n  learning_rate: {rates}"
    )
    (tmp_path / "paper-cifar10.yaml").write_text(text)
    start = time.process_time()
    plan = make_plan(load_sweep(tmp_path / "paper-cifar10.yaml"))
    assert len(plan.sweep.cells) == 1200
    assert len(plan.trials) == 6000
    assert time.process_time() - start < 10


def test_what_this_machine_has_no_memory_for_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each group the shallowest; not what fits, and nothing of a GPU's."""
    sweep = load_sweep(SWEEPS / "quickstart.yaml")
    needs = {(c.cell.group.label, c.model.depth): memory_bytes(c, trial_sizes(c)) for c in sweep.cells}  # type: ignore[arg-type]
    there = sorted(needs.values())[len(needs) // 2]
    assert not any(note.startswith("not on this machine: ") for note in notes_of(sweep))
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(total=there))
    said = [note for note in notes_of(sweep) if "of memory are here" in note]
    expected: dict[str, int] = {}
    for (label, depth), needed in sorted(needs.items(), key=lambda item: item[0][1]):
        if needed > there:
            expected.setdefault(label, depth)
    assert expected
    assert sorted(note.partition(", keeps")[0] for note in said) == sorted(
        f"not on this machine: {label}, depth {depth}" for label, depth in expected.items()
    )
