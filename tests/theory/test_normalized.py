"""Predictions behind normalizations and additions, held against skipray's own networks at initialisation: growth per
layer or block, and 1 - c, at several widths."""

import importlib.util
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skipray import theory
from skipray.spec import ModelSpec

_spec = importlib.util.spec_from_file_location("networks", Path(__file__).with_name("networks.py"))
assert _spec is not None
assert _spec.loader is not None
networks: Any = importlib.util.module_from_spec(_spec)
sys.modules["networks"] = networks
_spec.loader.exec_module(networks)


model = partial(networks.model, depth=26, width=192)


@pytest.mark.parametrize("name", ["relu", "tanh", "gelu", "silu", "elu", "selu"])
def test_layer_norm_of_plain_networks(name: str) -> None:
    """Per layer, whatever the weights' variance; 1 - c runs where the map says."""
    field = theory.layer_norm_field(name)
    for scheme, width in (("he_normal", 256), ("lecun_normal", 128)):
        found = networks.measure(
            model(normalization="layer", activation=name, initialisation=scheme, width=width),
            samples=16,
            seeds=range(3),
        )
        assert found.growth(layers=2) == pytest.approx(field.chi_1, rel=0.04)
    # Two inputs at right angles before the stem, whose correlation at each LN is what is mapped.
    gap, gain = 1.0, theory.layer_norm_gain(name)
    for _ in range(2 * 6):
        gap = theory.correlation_gap_map(gap, 1.0, name, gain)
    # Behind the activation: E[phi phi] / E[phi^2] is the next normalised correlation.
    gap = theory.correlation_gap_map(gap, 1.0, name, gain)
    assert found.gap[6] == pytest.approx(gap, rel=0.2)


@pytest.mark.parametrize(
    ("activation", "normalization", "scale", "layers"),
    [
        ("relu", "none", 1, 2), ("relu", "none", 0.5, 2), ("relu", "batch", 1, 2), ("relu", "layer", 1, 2),
        ("tanh", "batch", 1, 2), ("gelu", "layer", 1, 2), ("tanh", "none", 1, 2), ("relu", "none", 1, 3),
        ("relu", "batch", 1, 3),
    ],
)  # fmt: skip
def test_post_activation_blocks(activation: str, normalization: str, scale: float, layers: int) -> None:
    """ResNet and, of three layers with groups, ResNeXt; a finite width adds to the scatter of the bare ones."""
    blocks = 10
    # What is left of 1 / batch has to be small; correlations scatter from one initialisation to the next.
    samples, seeds = (48, range(4)) if normalization == "batch" else (16, range(12))
    family = {"architecture": "resnet"} if layers == 2 else {
        "architecture": "resnext", "cardinality": 2, "group_width": 80,
    }  # fmt: skip
    found = networks.measure(
        model(**family, depth=2 + layers * blocks, activation=activation, normalization=normalization,
              residual_scale=scale, width=160),
        samples=samples, seeds=seeds,
    )  # fmt: skip
    field = theory.post_activation_field(
        blocks, activation, 2.0, residual_scale=scale, layers=layers, normalization=normalization,  # type: ignore[arg-type]
        batch=samples, variance=2.0,
    )  # fmt: skip
    logs = np.log(field.squared_gradient)
    bare = normalization == "none"
    for first, last in ((0, blocks), (0, blocks // 2), (blocks // 2, blocks)):
        measured = (found.log_growth[first] - found.log_growth[last]) / (last - first)
        assert measured == pytest.approx((logs[first] - logs[last]) / (last - first), abs=0.06 if bare else 0.03)
    assert found.gap[1:] == pytest.approx(field.correlation_gap[1:], rel=0.12 if layers == 2 else 0.25)
    assert np.log(found.second_moment[1:]) == pytest.approx(np.log(field.variance[1:]), abs=0.5 if bare else 0.06)
    forwards = theory.post_activation_growth(
        blocks,
        activation,
        2.0,
        residual_scale=scale,
        layers=layers,
        normalization=normalization,
        batch=samples,  # type: ignore[arg-type]
        variance=2.0,
    )
    assert 2 * forwards[-1] == pytest.approx(logs[0], abs=0.1), (
        "paths summed forwards are the gradient summed backwards"
    )


@pytest.mark.parametrize(
    ("activation", "normalization"), [("relu", "batch"), ("tanh", "batch"), ("relu", "layer"), ("gelu", "layer")]
)
def test_normalised_pre_activation_blocks(activation: str, normalization: str) -> None:
    blocks, samples = 10, 48
    found = networks.measure(
        model(architecture="preresnet", depth=2 + 2 * blocks, activation=activation, normalization=normalization,
              residual_scale=1),
        samples=samples, seeds=range(4),
    )  # fmt: skip
    field = theory.residual_field(
        blocks,
        activation,
        2.0,
        layers=2,
        normalization=normalization,
        batch=samples,
        variance=2.0,  # type: ignore[arg-type]
    )
    logs = np.log(field.squared_gradient)
    assert found.log_growth[0] == pytest.approx(logs[0], rel=0.05)
    assert found.gap[1:] == pytest.approx(field.correlation_gap[1:], rel=0.05)
    assert found.second_moment[1:] == pytest.approx(field.variance[1:], rel=0.06)
    twice = theory.residual_field(2 * blocks, activation, 2.0, layers=2, normalization=normalization, variance=2.0)  # type: ignore[arg-type]
    assert np.log(twice.squared_gradient[0]) < 1.5 * logs[0], "a power of depth, not an exponential"


@pytest.mark.parametrize(("name", "holds"), [("tanh", True), ("relu", True), ("elu", True), ("silu", False)])
def test_where_the_symmetry_of_a_batch_breaks_the_formula_does_not_apply(name: str, holds: bool) -> None:
    assert (theory.batch_norm_symmetry(name) <= 1 + 1e-6) is holds
    found = networks.measure(
        model(normalization="batch", activation=name, depth=32, width=256), samples=256, seeds=range(2)
    )
    ratio = found.growth(layers=2, first=4, last=-3) / theory.batch_norm_squared_gradient_growth(256, name)
    assert (abs(ratio - 1) < 0.03) is holds
    assert holds or ratio > 1.05, "gradients grow faster than predicted"


@pytest.mark.parametrize(("borders", "tolerance"), [("circular", 0.02), ("zeros", 0.1)])
def test_batch_norm_of_convolutions_counts_positions_as_samples(borders: str, tolerance: float) -> None:
    """With four samples the formula of the batch alone is far off; zeros at the borders of small planes cost up to a
    tenth, as the premise says."""
    found = networks.measure(
        model(kind="cnn", layout="cifar", block="basic", depth=26, width=24, normalization="batch"),
        samples=6, seeds=range(3), shape=(3, 16, 16), borders=borders,
    )  # fmt: skip
    many = theory.batch_norm_squared_gradient_growth(theory.LARGEST_BATCH, "relu")
    alone = theory.batch_norm_squared_gradient_growth(6, "relu")
    steps = np.exp(-np.diff(found.log_growth) / 2)[2:]
    assert np.mean(steps) == pytest.approx(many, rel=tolerance)
    assert np.abs(steps / many - 1).max() < tolerance + 0.04
    assert alone > 1.25 * many


@pytest.mark.parametrize(
    ("options", "bounded"),
    [({"norm": "pre"}, False), ({"norm": "sandwich"}, False), ({"norm": "post", "deepnorm": True}, True)],
)
def test_transformers_without_exponential_growth(options: dict[str, object], bounded: bool) -> None:
    """Twice the depth adds a constant to ln of the gradient's norm (a power of depth), or nothing at all."""
    found = [
        networks.measure(
            ModelSpec.model_validate(
                {"architecture": "transformer", "depth": depth, "width": 64, "initialisation": "xavier",
                 "activation": "gelu", "options": {"heads": 4, "patch": 2, **options}}
            ),
            samples=4,
            seeds=range(3),
            shape=(1, 8, 8),
        ).log_growth[0] / 2
        for depth in (4, 8, 16)
    ]  # fmt: skip
    steps = np.diff(found)
    assert np.abs(steps).max() < (0.1 if bounded else 0.7)
    assert steps[-1] < 1.5 * max(abs(steps[0]), 0.05), "an exponential would double each time"
