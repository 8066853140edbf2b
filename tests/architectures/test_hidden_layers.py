"""Hooks on the taps see the tensors that the definitions name."""

from typing import Any

import pytest
import torch

from skipray import architectures


def seen(network: torch.nn.Module, modules: dict[Any, torch.nn.Module], x: torch.Tensor) -> dict[Any, torch.Tensor]:
    outputs: dict[Any, torch.Tensor] = {}
    handles = [
        module.register_forward_hook(lambda _m, _i, out, key=key: outputs.__setitem__(key, out))
        for key, module in modules.items()
    ]
    with torch.no_grad():
        network(x)
    for handle in handles:
        handle.remove()
    return outputs


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
@pytest.mark.parametrize("shortcut", ["A", "B"])
@pytest.mark.parametrize("scale", [1, "inverse_sqrt_depth", "learned"])
@pytest.mark.parametrize("normalization", ["batch", "none"])
@pytest.mark.parametrize("architecture", ["resnet", "resnext", "preresnet", "highway"])
def test_branch_plus_skip_is_the_output(
    make_model, kind: str, shortcut: str, scale: object, normalization: str, architecture: str
) -> None:
    model = make_model(
        architecture,
        kind=kind,
        depth=11 if architecture == "resnext" else 8,
        width=4,
        shortcut=shortcut,
        residual_scale=scale,
        normalization=normalization,
    )
    shape = (1, 8, 8) if kind == "mlp" else (3, 8, 8)
    network = architectures.build(model, shape, 10, seed=0)
    layers = network.hidden_layers()
    taps = {
        (layer.name, what): module
        for layer in layers
        for what in ("output", "branch", "skip")
        if (module := getattr(layer, what)) is not None
    }
    tensors = seen(network, taps, torch.rand(3, *shape, generator=torch.Generator().manual_seed(0)))
    added = 0
    for layer in layers[1:]:
        if layer.branch is None:
            assert architecture == "highway"  # where a stage changes the shape
            continue
        total = tensors[layer.name, "branch"] + tensors[layer.name, "skip"]
        expected = torch.relu(total) if architecture in ("resnet", "resnext") else total
        assert torch.equal(tensors[layer.name, "output"], expected)
        added += 1
    assert added >= len(layers) - 3
    previous = tensors["stem", "output"]
    if architecture != "highway":
        skip = layers[1].skip
        assert skip is not None
        if isinstance(skip, torch.nn.Identity):
            assert torch.equal(tensors["blocks.0", "skip"], previous)


@pytest.mark.parametrize("architecture", ["plainnet", "densenet"])
def test_no_skip_no_branch(make_model, architecture: str) -> None:
    network = architectures.build(
        make_model(architecture, depth=26 if architecture == "plainnet" else 22), (3, 8, 8), 10
    )
    assert all(layer.branch is None and layer.skip is None for layer in network.hidden_layers())


@pytest.mark.parametrize(
    ("architecture", "changes", "weights"),
    [
        ("plainnet", {"depth": 20}, 19),
        ("resnet", {"depth": 20, "shortcut": "B"}, 19),
        ("resnext", {"depth": 20, "shortcut": "B"}, 19),
        ("densenet", {"depth": 16}, 15),
        ("highway", {"depth": 20}, 19),
        ("highway", {"kind": "mlp", "depth": 20}, 19),
        ("fixup", {"depth": 20, "normalization": "none", "initialisation": "fixup"}, 19),
    ],
)
def test_the_main_path_has_as_many_weights_as_the_depth_says(
    make_model, architecture: str, changes: dict, weights: int
) -> None:
    """The stem and the blocks; the classifier is the last one."""
    network = architectures.build(make_model(architecture, width=4, **changes), (3, 8, 8), 10, seed=0)
    named = [name for layer in network.hidden_layers() for name in layer.weights]
    assert len(named) == len(set(named)) == weights
    parameters = dict(network.named_parameters())
    assert all(parameters[name].dim() in (2, 4) for name in named)
    assert "classifier.weight" in parameters
    assert [layer.name for layer in network.hidden_layers()][:2] == ["stem", "blocks.0"]
