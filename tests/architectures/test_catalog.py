"""Every combination that is allowed builds, trains two steps and shows finite tensors; the others say why not.

It reads the catalog, so a new family or scheme is covered without being named here.
"""

import itertools
import re

import pytest
import torch
from torch.nn import functional as F

from skipray import architectures, catalog
from skipray.spec import ModelSpec

FAMILIES = catalog.names("architectures")
SHAPE, CLASSES = (1, 4, 4), 3
COMBINATIONS = list(
    itertools.product(("batch", "layer", "none"), catalog.names("initialisations"), ("relu", "tanh", "linear"))
)
LARGEST = 30


def refusal(model: ModelSpec) -> str | None:
    """Why a model cannot be, as `load_sweep` would ask."""
    scheme = catalog.find("initialisations", model.initialisation)
    try:
        catalog.find("architectures", model.architecture).check(model, SHAPE, CLASSES)
        if hasattr(scheme, "check"):
            scheme.check(model)
    except ValueError as error:
        message, key = error.args
        assert key in ModelSpec.model_fields
        return str(message)
    return None


def depths(make_model, family: str, kind: str) -> list[int]:
    """The smallest depth that the family has and a middle one; its own messages lead there."""
    found: list[int] = []
    for depth in range(1, LARGEST):
        for normalization, scheme in (("none", "fixup"), ("batch", "he_normal"), ("none", "he_normal")):
            model = make_model(family, kind=kind, depth=depth, normalization=normalization, initialisation=scheme)
            if refusal(model) is None:
                found.append(depth)
                break
    return [found[0], found[len(found) // 2]] if found else []


def two_steps(model: ModelSpec) -> None:
    network = architectures.build(model, SHAPE, CLASSES, seed=0)
    x = torch.randn(4, *SHAPE, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 2, 0])
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9)
    for _ in range(2):
        optimizer.zero_grad()
        loss = F.cross_entropy(network(x), labels)
        loss.backward()
        optimizer.step()
    assert torch.isfinite(loss)
    seen: list[torch.Tensor] = []
    layers = network.hidden_layers()
    for layer in layers:
        for module in {layer.output, layer.branch, layer.skip} - {None}:
            module.register_forward_hook(lambda _module, _inputs, out: seen.append(out))
    with torch.no_grad():
        logits = network.eval()(x)
    assert logits.shape == (4, CLASSES)
    assert len(seen) >= len(layers)
    assert all(len(h) == 4 and torch.isfinite(h).all() for h in seen)
    parameters = dict(network.named_parameters())
    assert all(torch.isfinite(p).all() for p in parameters.values())
    assert {name for layer in layers for name in layer.weights} <= set(parameters)


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_combination_runs_or_says_why_not(make_model, family: str, kind: str) -> None:
    possible = depths(make_model, family, kind)
    ran = 0
    for normalization, scheme, activation in COMBINATIONS:
        for depth in possible or [8]:
            model = make_model(
                family,
                kind=kind,
                depth=depth,
                width=4,
                growth_rate=2,
                cardinality=2,
                group_width=2,
                normalization=normalization,
                initialisation=scheme,
                activation=activation,
            )
            reason = refusal(model)
            if reason is None:
                two_steps(model)
                ran += 1
                continue
            assert re.search("found .*allowed", reason), reason
            with pytest.raises(ValueError, match="found"):
                architectures.build(model, SHAPE, CLASSES, seed=0)
    assert (ran > 0) == bool(possible)
    assert possible or (family, kind) == ("densenet", "mlp")
