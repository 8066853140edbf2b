"""Networks and data of one's own, as docs/examples has them: they run as they stand, measured where they should be.

What the probe finds is compared with hooks and a forward pass written by hand here.
"""

import importlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML
from torch import nn

import skipray
from skipray import architectures
from skipray.datasets import labels_are, shape_and_classes
from skipray.probe import layers_of, probe
from skipray.probe.batch import Batch
from skipray.probe.reduction import Reduced, TensorPlace, reduce_tensor
from skipray.spec import ModelSpec, ProbeSpec, TrialSpec, load_sweep
from skipray.trial import run_trial
from skipray.trial.counted_blocks import blocks_of_depth
from skipray.trial.rehearsal import rehearse

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
SWEEPS = sorted(path.stem for path in EXAMPLES.glob("*.yaml"))
BLOCKS = {
    "own_networks:vit": "blocks.{}",
    "own_networks:vit_noskip": "blocks.{}",
    "own_networks:convnext": "{1}",
    "own_networks:torchvision_resnet": "net.layer1.{}",
    "own_regressor:residual_mlp": "{1}",
}
"""Module names of each family's blocks."""


@pytest.fixture(autouse=True)
def beside_the_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.delenv("SKIPRAY_DATA", raising=False)
    monkeypatch.setenv("SKIPRAY_CACHE", str(tmp_path))
    monkeypatch.chdir(EXAMPLES)


def blocks(family: str, depth: int) -> list[str]:
    if "{1}" in BLOCKS[family]:  # behind the stem
        return [str(i + 1) for i in range(depth)]
    return [BLOCKS[family].format(i) for i in range(depth)]


def trial_of(family: str, depth: int, dataset: str = "digits") -> TrialSpec:
    name = "own-regression" if "regressor" in family else "own-networks"
    small = [
        "recipe.epochs=1",
        "dataset.train_samples=80",
        f"factors.depth=[{depth}]",
        f"factors.architecture=['{family}']",
    ]
    if name == "own-networks":
        small += ["recipe.warmup_epochs=0", "claims={}", f"dataset.name={dataset}"]
    return load_sweep(EXAMPLES / f"{name}.yaml", small).trials()[-1]


def network_of(trial: TrialSpec) -> tuple[nn.Module, torch.Tensor]:
    shape, outputs = shape_and_classes(trial.dataset)
    inputs = torch.randn(24, *shape, generator=torch.Generator().manual_seed(0))
    return architectures.build(trial.model, shape, outputs, seed=trial.seed).eval(), inputs


def by_hooks(network: nn.Module, names: list[str], inputs: torch.Tensor) -> dict[str, torch.Tensor]:
    seen: dict[str, torch.Tensor] = {}
    handles = [
        network.get_submodule(name).register_forward_hook(lambda m, a, out, at=name: seen.update({at: out.detach()}))
        for name in names
    ]
    with torch.no_grad():
        network(inputs)
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize("name", SWEEPS)
def test_python_and_the_file_are_one_sweep_and_every_network_can_be_trained(name: str) -> None:
    values: dict[str, Any] = YAML(typ="safe", pure=True).load(EXAMPLES / f"{name}.yaml")
    found = load_sweep(EXAMPLES / f"{name}.yaml")
    assert found.name == name
    assert [t.trial_id for t in skipray.Sweep(**values).spec.trials()] == [t.trial_id for t in found.trials()]
    for trial in {cell.model.architecture: cell for cell in reversed(found.cells)}.values():
        shape, outputs = shape_and_classes(trial.dataset)
        told = rehearse(trial, shape, outputs, 64, labels_are(trial.dataset))
        assert told.left == (), "their own initial values are kept"
        assert "compute by themselves" not in told.layers, "blocks are found, a lone one too"


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("family", ["own_networks:vit", "own_regressor:residual_mlp"])
def test_a_trial_measures_the_blocks_at_every_depth(family: str, depth: int) -> None:
    record = run_trial(trial_of(family, depth))
    hidden = record.layers[record.layers["tensor"] == "hidden"]
    assert list(dict.fromkeys(hidden["layer"])) == blocks(family, depth)
    assert record.outcome in ("trained", "untrained")


@pytest.mark.parametrize(
    ("family", "dataset", "shape"),
    [(family, "digits", (1, 8, 8)) for family in BLOCKS if "networks" in family]
    + [(family, "fashion_mnist", (1, 28, 28)) for family in BLOCKS if "networks" in family]
    + [("own_regressor:residual_mlp", "table", (10,))],
)
@pytest.mark.parametrize("patterns", [False, True], ids=["found", "by patterns"])
def test_the_probe_sees_what_hooks_by_hand_see(
    family: str, dataset: str, shape: tuple[int, ...], patterns: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, inputs = network_of(trial_of(family, 3, dataset))
    assert inputs.shape[1:] == shape
    names = blocks(family, 3)
    seen = by_hooks(network, names, inputs)
    reduced: dict[str, torch.Tensor] = {}

    def reduce(tensor: torch.Tensor, place: TensorPlace, *others: Any, **more: Any) -> Reduced:
        if place.tensor == "hidden":
            reduced[place.layer] = tensor.detach().clone()
        return reduce_tensor(tensor, place, *others, **more)

    monkeypatch.setattr(sys.modules["skipray.probe.capture"], "reduce_tensor", reduce)
    _, spectra = probe(network, inputs, layers=names if patterns else None, spectra=True)
    assert list(reduced) == names
    for name in names:
        assert torch.equal(reduced[name], seen[name])
        unfolding = "samples" if seen[name].ndim > 2 else "matrix"
        expected = np.linalg.svd(seen[name].flatten(1).double().numpy(), compute_uv=False)
        assert spectra[f"{name}/hidden/{unfolding}/raw"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("family", ["own_networks:vit", "own_networks:vit_noskip"])
def test_what_is_measured_of_a_vit_is_its_residual_stream(family: str) -> None:
    """Each sum of the forward pass, written out."""
    network, inputs = network_of(trial_of(family, 3))
    skip = 0.0 if family.endswith("noskip") else 1.0
    expected = []
    with torch.no_grad():
        stream = network.patches(inputs).flatten(2).transpose(1, 2) + network.positions
        for block in network.blocks:
            h = block.norm1(stream)
            stream = skip * stream + block.attention(h, h, h, need_weights=False)[0]
            stream = skip * stream + block.mlp(block.norm2(stream))
            expected.append(stream)
    found = layers_of(network, Batch((inputs,), samples=len(inputs)))
    taps = by_hooks(network, [tap.layer for tap in found.taps(branches=False, attention=False)], inputs)
    assert len(taps) == 3
    assert all(torch.equal(one, other) for one, other in zip(taps.values(), expected, strict=True))


def test_a_lone_block_is_looked_for_past_a_depth_rule_and_only_where_it_is_needed() -> None:
    trial = trial_of("own_networks:convnext", 1)
    network, inputs = network_of(trial)
    shape, outputs = shape_and_classes(trial.dataset)
    assert blocks_of_depth(trial, network, inputs, shape, outputs) == ("1",)
    of_two = trial_of("own_networks:convnext", 2)
    deeper, _ = network_of(of_two)
    assert blocks_of_depth(of_two, deeper, inputs, shape, outputs) == (), "found by structure"
    named = replace(trial, probe=ProbeSpec(layers=("0",)))
    assert blocks_of_depth(named, network, inputs, shape, outputs) == (), "named by the sweep"
    module = importlib.import_module("own_networks")

    class by_twos(module.convnext):
        @staticmethod
        def build(model: ModelSpec, input_shape: tuple[int, ...], classes: int) -> nn.Module:
            if model.depth % 2 == 0:
                raise ValueError("found an even depth; allowed: 2n + 1")
            half = model.model_copy(update={"depth": (model.depth + 1) // 2})
            return module.convnext.build(half, input_shape, classes)

    module.by_twos = by_twos
    odd = replace(trial, model=trial.model.model_copy(update={"architecture": "own_networks:by_twos"}))
    assert blocks_of_depth(odd, network, inputs, shape, outputs) == ("1",)

    class deeper_ends(module.convnext):
        @staticmethod
        def build(model: ModelSpec, input_shape: tuple[int, ...], classes: int) -> nn.Module:
            if model.depth > 1:
                return nn.Sequential(nn.Flatten(), nn.Linear(1, classes))  # refuses the samples
            return module.convnext.build(model, input_shape, classes)

    module.deeper_ends = deeper_ends
    ends = replace(trial, model=trial.model.model_copy(update={"architecture": "own_networks:deeper_ends"}))
    assert blocks_of_depth(ends, network, inputs, shape, outputs) == (), (
        "what is wrong with a deeper one costs it nothing"
    )
    tower = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    assert blocks_of_depth(trial, tower, inputs, shape, outputs) == (), "no module of the blocks' class"
