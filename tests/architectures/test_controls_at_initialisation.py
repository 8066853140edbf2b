"""The controls that break the theory: what skip, normalization and order do to a deep network before any training.

The networks are those of sweeps/theory.yaml at 164 layers; the numbers are taken here with numpy alone.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from skipray import architectures
from skipray.datasets import open_dataset, shape_and_classes
from skipray.spec import SweepSpec, TrialSpec, load_sweep

SWEEP = Path(__file__).parents[2] / "sweeps" / "theory.yaml"
DEPTH, SAMPLES, FLOAT32 = 164, 256, 2.0**-23


class Seen(NamedTuple):
    """Of the last hidden layer, but for the growth."""

    condition: float
    mean_cosine: float
    effective_rank: float
    gradient_growth: float
    """Norm of the gradient at the first layer's weight over that at the last block's."""


@pytest.fixture(scope="module")
def sweep() -> SweepSpec:
    return load_sweep(SWEEP)


def look(trial: TrialSpec, seed: int) -> Seen:
    shape, classes = shape_and_classes(trial.dataset)
    inputs, labels = open_dataset(trial.dataset, trial.fingerprint).probe_batch(SAMPLES)
    network = architectures.build(trial.model, shape, classes, seed=seed)
    layers = network.hidden_layers()
    kept: list[torch.Tensor] = []
    layers[-1].output.register_forward_hook(lambda _module, _inputs, out: kept.append(out.detach()))
    cross_entropy(network(inputs), labels).backward()
    hidden = kept[0].double().numpy()
    values = np.linalg.svd(hidden, compute_uv=False)
    values = values[: int((np.abs(hidden).max(0) > 0).sum())]
    share = values / values.sum()
    share = share[share > 0]
    units = hidden / np.linalg.norm(hidden, axis=1, keepdims=True)
    cosines = units @ units.T
    parameters = dict(network.named_parameters())
    first, last = (float(parameters[name].grad.norm()) for name in (layers[0].weights[0], layers[-1].weights[-1]))
    return Seen(
        condition=float(values[0] / max(values[-1], FLOAT32 * values[0])),
        mean_cosine=float((cosines.sum() - SAMPLES) / (SAMPLES * (SAMPLES - 1))),
        effective_rank=float(np.exp(-(share * np.log(share)).sum())),
        gradient_growth=first / last,
    )


def median(sweep: SweepSpec, architecture: str, normalization: str) -> Seen:
    (cell,) = (
        cell
        for cell in sweep.cells
        if cell.model.depth == DEPTH
        and (cell.model.architecture, cell.model.normalization) == (architecture, normalization)
        and cell.model.activation == "relu"
    )
    assert (cell.model.width, cell.model.initialisation, cell.model.residual_scale or 1) == (64, "he_normal", 1)
    return Seen(*np.median([look(cell, seed) for seed in sweep.seeds], axis=0).tolist())


def test_there_are_ten_seeds_of_gaussian_samples(sweep: SweepSpec) -> None:
    assert len(sweep.seeds) == 10
    assert sweep.dataset.name == "gaussian"
    assert shape_and_classes(sweep.dataset) == ((1, 1, 64), 10)
    assert {cell.recipe.epochs for cell in sweep.cells} == {0}
    assert sweep.probe.gradients
    assert sweep.probe.samples == SAMPLES


def test_batch_norm_keeps_a_plain_network_from_collapsing_and_its_gradients_explode(sweep: SweepSpec) -> None:
    seen = median(sweep, "plainnet", "batch")
    assert 20 < seen.condition < 100
    assert seen.mean_cosine == pytest.approx(0.36, abs=0.04)
    assert seen.gradient_growth > 1e12
    assert seen.gradient_growth ** (1 / (DEPTH - 2)) == pytest.approx(1.2, abs=0.01)


@pytest.mark.parametrize("architecture", ["plainnet", "resnet"])
def test_without_norm_a_plain_and_an_unscaled_residual_network_collapse(sweep: SweepSpec, architecture: str) -> None:
    seen = median(sweep, architecture, "none")
    assert seen.mean_cosine > 0.99
    assert seen.effective_rank < 1.5
    assert seen.condition > 1e6


def test_preactivation_without_norm_stays_between(sweep: SweepSpec) -> None:
    assert 3e3 < median(sweep, "preresnet", "none").condition < 3e5


def test_a_residual_network_with_batch_norm_is_well_conditioned(sweep: SweepSpec) -> None:
    seen = median(sweep, "resnet", "batch")
    assert seen.condition < 150
    assert seen.gradient_growth < 1e3
