"""Every combination that is allowed builds, trains two steps and is probed; every other one says why not.

It reads the catalog, so a new family or scheme is covered without being named here. Which combinations are allowed is
asked of all. Those that train have every allowed normalization, initialisation, activation and depth together, and
every two values of the other fields that may meet; those that are probed have every two values of all.
"""

import itertools
import random
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from skipray import architectures
from skipray.extension import catalog
from skipray.probe import measure
from skipray.spec import ModelSpec, ProbeSpec, Recipe
from skipray.trial.training import to_device
from skipray.trial.training.sgd import SGD

FAMILIES = catalog.names("architectures")
KINDS = [
    (family, kind)
    for family in FAMILIES
    for kind in architectures.KINDS
    if kind == "mlp" or "kind" not in getattr(catalog.find("architectures", family), "UNREAD", ())
]
"""Families with all kinds, those that they declare and those that they refuse; one of a family that reads none."""
SHAPE, CLASSES, SAMPLES = (1, 4, 4), 3, 8
AXES: dict[str, tuple[Any, ...]] = {
    "normalization": ("batch", "layer", "none"),
    "initialisation": catalog.names("initialisations"),
    "activation": ("relu", "tanh", "linear"),
    "residual_scale": (1, "inverse_sqrt_depth", "learned"),
    "block": ("basic", "bottleneck"),
    "shortcut": ("A", "B"),
}
LARGEST, SMALL = 24, 11
"""Depths that are tried; the largest of the families' smallest ones."""
RECIPE = Recipe(
    epochs=1,
    batch_size=8,
    learning_rate=1e-3,
    momentum=0.9,
    weight_decay=1e-4,
    schedule="constant",
    augmentation="none",
)


def refusal(model: ModelSpec) -> str | None:
    """Why a model cannot be, as `load_sweep` would ask."""
    scheme = catalog.find("initialisations", model.initialisation)
    try:
        catalog.find("architectures", model.architecture).check(model, SHAPE, CLASSES)
        if hasattr(scheme, "check"):
            scheme.check(model)
    except ValueError as error:
        message, key = error.args
        assert key.partition(".")[0] in ModelSpec.model_fields
        return str(message)
    return None


def models(make_model, family: str, kind: str) -> list[ModelSpec]:
    """All combinations of what the family reads, each at the smallest depth that it can have and at a middle one."""
    found_family = catalog.find("architectures", family)
    unread = {"residual_scale", "block", "shortcut", *getattr(found_family, "UNREAD", ())} - found_family.fields(kind)
    axes = {key: values for key, values in AXES.items() if key not in unread}
    small = {"kind": kind, "width": 4, "growth_rate": 2, "cardinality": 2, "group_width": 2}
    found = []
    tried = {block: depths(make_model, family, kind, block) for block in axes.get("block", ("basic",))}
    for values in itertools.product(*axes.values()):
        changes = dict(zip(axes, values, strict=True)) | small
        for depth in tried[changes.get("block", "basic")]:
            found.append(make_model(family, **changes, depth=depth))
    return found


def depths(make_model, family: str, kind: str, block: str) -> list[int]:
    """The smallest depth that the family has and a middle one; its own messages lead there."""
    found: list[int] = []
    for depth in range(1, LARGEST):
        for normalization, scheme in (("none", "fixup"), ("batch", "he_normal"), ("none", "he_normal")):
            changes = {"normalization": normalization, "initialisation": scheme, "block": block}
            if refusal(make_model(family, kind=kind, depth=depth, **changes)) is None:
                found.append(depth)
                break
    return [found[0], found[len(found) // 2]] if found else [8]


def values(model: ModelSpec) -> list[tuple[str, Any]]:
    return [("smallest", model.depth <= SMALL), *((key, getattr(model, key)) for key in AXES)]


def pairs(model: ModelSpec) -> set[Any]:
    return set(itertools.combinations(values(model), 2))


def fours_and_pairs(model: ModelSpec) -> set[Any]:
    return pairs(model) | {tuple(values(model)[:4])}


def covering(allowed: list[ModelSpec], meetings: Callable[[ModelSpec], set[Any]]) -> list[ModelSpec]:
    """Some of them, in which all meet that meet in any."""
    shuffled = [(model, meetings(model)) for model in random.Random(0).sample(allowed, len(allowed))]
    left = set().union(*(met for _, met in shuffled))
    chosen = []
    for wanted in range(max(len(met) for _, met in shuffled), 0, -1):  # those with most that is new first
        for model, met in shuffled:
            if len(met & left) >= wanted:
                chosen.append(model)
                left -= met
    assert not left
    return chosen


def run(model: ModelSpec, *, probed: bool) -> None:
    """Two steps of training, and the probe."""
    network = to_device(architectures.build(model, SHAPE, CLASSES, seed=0), torch.device("cpu"))
    assert sum(p.numel() for p in network.parameters()) == architectures.sizes(model, SHAPE, CLASSES).parameters
    x = torch.randn(SAMPLES, *SHAPE, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(SAMPLES) % CLASSES
    optimizer = SGD(network, RECIPE)
    for _ in range(2):
        loss = F.cross_entropy(network(x), labels)
        optimizer.zero_grad()
        loss.backward()
        assert all(p.grad is not None for p in network.parameters())
        optimizer.step(RECIPE.learning_rate)
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p).all() for p in network.parameters())
    assert network.eval()(x).shape == (SAMPLES, CLASSES)
    if not probed:
        return
    seen = measure(network, x, labels, ProbeSpec(samples=SAMPLES), epoch=1).layers
    layers = network.hidden_layers()
    assert set(seen.loc[seen["tensor"] == "hidden", "layer"]) >= {layer.name for layer in layers}
    assert set(seen["tensor"]) == {"hidden", "weight"}
    assert seen.loc[seen["statistic"] == "nonfinite", "value"].eq(0).all()
    assert {name for layer in layers for name in layer.weights} <= dict(network.named_parameters()).keys()


@pytest.mark.parametrize(("family", "kind"), KINDS)
def test_every_combination_runs_or_says_why_not(make_model, family: str, kind: str) -> None:
    asked = [(model, refusal(model)) for model in models(make_model, family, kind)]
    refused = {reason: model for model, reason in asked if reason is not None}
    for reason, model in refused.items():
        assert re.search("found .*allowed", reason), reason
        with pytest.raises(ValueError, match="found"):
            architectures.build(model, SHAPE, CLASSES, seed=0)
    allowed = [model for model, reason in asked if reason is None]
    assert bool(allowed) == (kind in architectures.kinds(family))
    if allowed:
        probed = covering(allowed, pairs)
        for model in dict.fromkeys(probed + covering(allowed, fours_and_pairs)):
            run(model, probed=model in probed)
