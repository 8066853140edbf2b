"""The plain counts against what torch counts on meta tensors."""

import sys
import time
import types

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from skipray import architectures
from skipray.architectures import Sizes
from skipray.architectures.building.measured import measured_sizes
from skipray.extension import catalog
from skipray.spec import ModelSpec

CIFAR_SHAPE = (3, 32, 32)
VARIANTS = (
    {},
    {"shortcut": "B", "residual_scale": "learned", "normalization": "none"},
    {"block": "bottleneck", "residual_scale": "inverse_sqrt_depth", "normalization": "layer", "activation": "tanh"},
    {"normalization": "none", "activation": "linear", "initialisation": "dirac"},
)
SMALL = (20, 11, 16, *range(3, 33))
"""Depths in the order in which they are tried: the first that the family has is taken."""
CASES = [
    pytest.param(family, kind, variant, id=f"{family}-{kind}-{number}")
    for family in catalog.names("architectures")
    if "kind" not in getattr(catalog.find("architectures", family), "UNREAD", ())  # the transformer has its own tests
    for kind in architectures.kinds(family)
    for number, variant in enumerate(VARIANTS)
]


def allowed(make_model, family: str, shape: tuple[int, ...], changes: dict) -> ModelSpec:
    """The variant as the family can have it: without normalization, and with the scheme of its own, where it must."""
    own = {"initialisation": family} if family in catalog.names("initialisations") else {}
    for more in ({}, {"normalization": "none"}, {"normalization": "none"} | own):
        for depth in SMALL:
            model = make_model(family, **changes | more | {"depth": depth})
            try:
                catalog.find("architectures", family).check(model, shape, 10)
                scheme = catalog.find("initialisations", model.initialisation)
                if hasattr(scheme, "check"):
                    scheme.check(model)
            except ValueError:
                continue
            return model
    raise AssertionError(f"{family} has no network with {changes}")


@pytest.mark.parametrize(("family", "kind", "variant"), CASES)
def test_counts_are_torchs(make_model, family: str, kind: str, variant: dict) -> None:
    shape = CIFAR_SHAPE if kind == "cnn" else (1, 8, 8)
    model = allowed(make_model, family, shape, variant | {"kind": kind})
    entry = catalog.find("architectures", family)
    assert entry.sizes(model, shape, 10) == measured_sizes(lambda: entry.build(model, shape, 10), shape)


@pytest.mark.parametrize(
    ("architecture", "changes", "shape"),
    [
        ("resnet", {"depth": 18, "width": 64}, (3, 224, 224)),
        ("resnext", {"depth": 50, "width": 64, "cardinality": 32, "group_width": 4}, (3, 225, 97)),
        ("preresnet", {"depth": 50, "block": "bottleneck", "width": 8}, (3, 65, 97)),
        ("fixup", {"depth": 34, "width": 8, "normalization": "none", "initialisation": "fixup"}, (3, 64, 64)),
        ("densenet", {"depth": 121, "width": 64, "growth_rate": 32}, (3, 224, 224)),
        ("resnet", {"layout": "cifar", "shortcut": "A"}, (1, 9, 13)),
        ("densenet", {"layout": "cifar", "depth": 22}, (1, 9, 13)),
    ],
)
def test_counts_are_torchs_on_other_images(make_model, architecture: str, changes: dict, shape: tuple) -> None:
    model = make_model(architecture, **{"layout": "imagenet", "shortcut": "B"} | changes)
    family = catalog.find("architectures", architecture)
    assert family.sizes(model, shape, 7) == measured_sizes(lambda: family.build(model, shape, 7), shape)


def test_flops_of_a_real_forward_pass(make_model) -> None:
    model = make_model("resnet", depth=8, width=4)
    counter = FlopCounterMode(display=False)
    network = architectures.build(model, (1, 8, 8), 10, seed=0)
    with counter:
        network(torch.zeros(5, 1, 8, 8))
    assert counter.get_total_flops() == 5 * architectures.sizes(model, (1, 8, 8), 10).flops


def test_counts_by_hand(make_model) -> None:
    """One block of two 3 x 3 layers on 2 inputs, width 2, 2 classes: each connected layer's own numbers."""
    model = make_model("resnet", kind="mlp", depth=4, width=2)
    stem, block, classifier = 2 * 3 + 4, 2 * (2 * 2 + 4), 2 * 2 + 2
    kept = 3 + (2 + 2) + 2 * (2 + 2)  # input; the stem's and both layers' outputs before and after batch norm or relu
    assert architectures.sizes(model, (3, 1, 1), 2) == Sizes(stem + block + classifier, 2 * (6 + 8 + 4), 4 * kept)


def test_1202_layers_are_counted_in_milliseconds(make_model) -> None:
    model = make_model("resnet", depth=1202)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        architectures.sizes(model, CIFAR_SHAPE, 10)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.05


def test_a_family_without_sizes_is_measured(make_model, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("somebodys_family")
    module.family = types.SimpleNamespace(
        build=lambda model, shape, classes: nn.Sequential(nn.Flatten(), nn.Linear(12, classes))
    )
    monkeypatch.setitem(sys.modules, "somebodys_family", module)
    model = make_model("plainnet").model_copy(update={"architecture": "somebodys_family:family"})
    assert architectures.sizes(model, (3, 2, 2), 5) == Sizes(parameters=65, flops=120, activation_bytes=48)
    assert architectures.build(model, (3, 2, 2), 5, seed=1)(torch.zeros(2, 3, 2, 2)).shape == (2, 5)
