"""Metrics that speak of a network before training: against closed forms, and measured where nothing is trained."""

import numpy as np
import pytest
import torch

from skipray import theory
from skipray.architectures import build
from skipray.metrics import entries
from skipray.metrics.curve_length_log_growth import curve_lengths
from skipray.probe.generalization import generalization_measures
from skipray.spec import ModelSpec, ProbeSpec, load_sweep
from skipray.trial import run_trial

WANTED = ProbeSpec(metrics=("log_length", "curve_length_log_growth", "gradient_correlation_neighbours"))


def network(seed: int = 0, **changes: object) -> torch.nn.Module:
    fields = {"architecture": "plainnet", "depth": 34, "kind": "mlp", "width": 64, "normalization": "none"}
    fields |= {"initialisation": "he_normal", "activation": "relu"} | changes
    return build(ModelSpec(**fields), (1, 8, 8), 10, seed=seed)


def batch(samples: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(samples, 1, 8, 8, generator=generator), torch.arange(samples) % 10


def test_lengths_scatter_as_hanin_and_rolnick_say() -> None:
    inputs, labels = batch()
    found = [
        generalization_measures(
            network(seed, width=32), inputs, labels, spec=ProbeSpec(metrics=("log_length",)), trained=False
        ).values
        for seed in range(60)
    ]
    change = np.array([f["log_length.change"] for f in found])
    squared = np.array([f["log_length.squared_change"] for f in found])
    predicted = theory.log_norm_variance(32, 32)
    assert predicted == 5
    assert squared.mean() - change.mean() ** 2 == pytest.approx(predicted, rel=0.35)
    assert change.mean() == pytest.approx(-predicted / 2, rel=0.35), "its mean square stays"
    assert all(f["log_length.variance"] >= 0 for f in found)


def test_of_a_linear_map_that_keeps_lengths_nothing_changes() -> None:
    inputs, labels = batch()
    orthogonal = network(activation="linear", initialisation="orthogonal")
    found = generalization_measures(orthogonal, inputs, labels, spec=WANTED, trained=False).values
    for key in ("log_length.change", "log_length.squared_change", "log_length.variance", "curve_length.log_growth"):
        assert found[key] == pytest.approx(0, abs=1e-4), key
    # The stem is as wide as the input is long, so that the circle stays one of the first sample's norm.
    radius = float(inputs[0].norm())
    layers = [layer.output for layer in orthogonal.hidden_layers()]
    assert curve_lengths(orthogonal, inputs, layers) == pytest.approx([2 * np.pi * radius] * len(layers), rel=1e-5)


@pytest.mark.parametrize(("gain", "depth", "tolerance"), [(1.0, 34, 0.25), (6.25, 34, 0.05), (16.0, 50, 0.05)])
def test_a_curve_grows_as_the_root_of_chi_1(gain: float, depth: int, tolerance: float) -> None:
    """By a factor of 1e9 too, where a difference of two points would no longer be small."""
    inputs, labels = batch()
    tanh = network(
        activation="tanh", initialisation="lecun_normal", width=400, depth=depth, weight_gain=gain, bias_variance=0.09
    )
    found = generalization_measures(tanh, inputs, labels, spec=WANTED, trained=False).values["curve_length.log_growth"]
    predicted = (depth - 2) * np.log(theory.mean_field("tanh", gain, 0.09).chi_1) / 2
    assert found == pytest.approx(predicted, rel=tolerance)


def test_a_trial_of_no_epochs_has_what_speaks_of_initialisation_and_no_more() -> None:
    sweep = load_sweep("hanin2018", ["factors.depth=[10]", "factors.width=[16]", "seeds=[0]", "claims={}"])
    record = run_trial(sweep.trials()[0])
    measured = set(record.epochs[-1].metrics)
    assert {"log_length.change", "log_length.squared_change", "log_length.variance"} <= measured
    late = {k for e in entries() for k in (t.key for t in e.metric.tracked() if t.needs_training)}
    assert not {k for k in measured & late if not k.startswith(("train.", "test.", "validation.", "gap."))}


def test_batch_normalization_takes_the_batchs_statistics_before_training() -> None:
    inputs, labels = batch()
    normalized = network(normalization="batch", depth=8)
    before = {name: value.clone() for name, value in normalized.state_dict().items()}
    scaled = 100 * inputs
    found = [
        generalization_measures(normalized, x, labels, spec=WANTED, trained=False).values["log_length.change"]
        for x in (inputs, scaled)
    ]
    assert found[0] == pytest.approx(found[1], abs=1e-3), "the input's scale does not matter"
    assert all(torch.equal(value, before[name]) for name, value in normalized.state_dict().items())
