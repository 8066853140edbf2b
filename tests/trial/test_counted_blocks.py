"""At every depth of a family of one's own the same places are measured: the blocks that the depth counts."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from skipray import architectures
from skipray.datasets import shape_and_classes
from skipray.probe import layers_of
from skipray.probe.batch import Batch
from skipray.spec import ModelSpec, TrialSpec, load_sweep
from skipray.trial.counted_blocks import FURTHER_OF_LARGE, LARGE, blocks_of_depth
from skipray.trial.rehearsal import rehearse

CODE = '''
import torch
from torch import nn

built = []
WIDTH = 8


class Stem(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.linear, self.norm = nn.Linear(inputs, WIDTH), nn.LayerNorm(WIDTH)

    def forward(self, x):
        return torch.relu(self.norm(self.linear(x)))


class Block(Stem):
    def forward(self, x, memory=None):
        return x + super().forward(x if memory is None else x + memory)


class Up(Block):
    pass


class Coder(nn.Module):
    """An encoder, and a decoder whose every layer reads what the encoder gave out."""

    def __init__(self, depth, classes):
        super().__init__()
        self.stem = nn.Sequential(nn.Flatten(), Stem(64))
        self.down = nn.ModuleList(Block(WIDTH) for _ in range(depth))
        self.up = nn.ModuleList(Up(WIDTH) for _ in range(depth))
        self.head = nn.Linear(WIDTH, classes)

    def forward(self, x):
        x = self.stem(x)
        for layer in self.down:
            x = layer(x)
        y = torch.zeros_like(x)
        for layer in self.up:
            y = layer(y, x)
        return self.head(y)


class Unet(Coder):
    """Each layer on the way up reads the one on its height; the lowest has none."""

    def __init__(self, depth, classes):
        super().__init__(depth, classes)
        del self.up[0]

    def forward(self, x):
        seen = [self.stem(x)]
        for layer in self.down:
            seen.append(layer(seen[-1]))
        x = seen.pop()
        for layer in self.up:
            x = layer(x, seen.pop())
        return self.head(x)


def family(make):
    class family:
        @staticmethod
        def build(model, input_shape, classes):
            built.append(model.depth)
            return make(model.depth, classes)

    return family


def behind_a_stem(depth, classes):
    stem = [nn.Flatten(), Stem(64), Stem(WIDTH), Stem(WIDTH)]
    return nn.Sequential(*stem, *[Block(WIDTH) for _ in range(depth)], nn.Linear(WIDTH, classes))


def behind_a_stem_by_pairs(depth, classes):
    return behind_a_stem(depth // 2, classes)


def of_any_depth_alike(depth, classes):
    return behind_a_stem(2, classes)


def large_and_of_any_depth_alike(depth, classes):
    return nn.Sequential(behind_a_stem(2, 2400), nn.Linear(2400, 2400), nn.Linear(2400, classes))


stemmed, pairs, alike = family(behind_a_stem), family(behind_a_stem_by_pairs), family(of_any_depth_alike)
large, coder, unet = family(large_and_of_any_depth_alike), family(Coder), family(Unet)
'''
SWEEP = """
name: counted
question: where?
dataset: {{name: digits}}
model: {{architecture: "towers_of_tests:{family}"}}
recipe: {{epochs: 0, batch_size: 16, learning_rate: 0.1, momentum: 0.9, weight_decay: 0.0, schedule: constant,
  augmentation: none}}
factors: {{depth: [{depth}]}}
seeds: [0]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("towers")
    (folder / "towers_of_tests.py").write_text(CODE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield folder


def trial_of(folder: Path, family: str, depth: int) -> TrialSpec:
    path = folder / "counted.yaml"
    path.write_text(SWEEP.format(family=family, depth=depth))
    return load_sweep(path).trials()[0]


def network_of(trial: TrialSpec) -> nn.Module:
    shape, outputs = shape_and_classes(trial.dataset)
    return architectures.build(trial.model, shape, outputs, seed=0)


def counted(trial: TrialSpec, network: nn.Module) -> tuple[str, ...]:
    shape, outputs = shape_and_classes(trial.dataset)
    return blocks_of_depth(trial, network, torch.ones(2, *shape), shape, outputs)


def built() -> list[int]:
    found: list[int] = importlib.import_module("towers_of_tests").built
    return found


EXPECTED = {
    "stemmed": lambda depth: [str(i) for i in range(4, 4 + depth)],
    "pairs": lambda depth: [str(i) for i in range(4, 4 + depth // 2)],
    "coder": lambda depth: [f"{part}.{i}" for part in ("down", "up") for i in range(depth)],
    "unet": lambda depth: [f"down.{i}" for i in range(depth)] + [f"up.{i}" for i in range(depth - 1)],
}


@pytest.mark.parametrize(
    ("family", "depth"), [(f, d) for f in EXPECTED for d in (1, 2, 3, 4, 6) if (f, d) != ("pairs", 1)]
)
def test_the_blocks_that_the_depth_counts_are_measured(folder: Path, family: str, depth: int) -> None:
    """Neither a stem that is longer, or as long, nor one of two towers alone; in the order of the pass, by hooks."""
    trial = trial_of(folder, family, depth)
    network = network_of(trial)
    x = torch.randn(5, 1, 8, 8)
    found = layers_of(network, Batch((x,), samples=5), None, counted(trial, network))
    expected = EXPECTED[family](depth)
    assert [layer.name for layer in found.hidden] == expected
    called: list[nn.Module] = []
    hooks = [network.get_submodule(n).register_forward_hook(lambda m, i, o: called.append(m)) for n in expected]
    network(x)
    for hook in hooks:
        hook.remove()
    assert called == [layer.output for layer in found.hidden]
    shape, outputs = shape_and_classes(trial.dataset)
    assert rehearse(trial, shape, outputs, 100).layers.startswith(f"{len(expected)} ")


def test_what_is_named_with_the_rule(folder: Path) -> None:
    rules = []
    for family, depth in (("stemmed", 1), ("coder", 2), ("stemmed", 5), ("alike", 2)):
        trial = trial_of(folder, family, depth)
        network = network_of(trial)
        batch = Batch((torch.randn(5, 1, 8, 8),), samples=5)
        rules.append(layers_of(network, batch, None, counted(trial, network)).rule)
    assert rules == [
        "1 block (Block), more in a deeper network",
        "4 blocks (Block, Up), more in a deeper network",
        "5 blocks (Block), more in a deeper network",
        "3 repeated blocks (Stem), found by structure",
    ]


def test_deeper_networks_are_built_as_seldom_as_can_be_and_leave_nothing(folder: Path) -> None:
    """Not where one chain is as long as the depth says; code of the user's has its lists as they were."""
    numbers = {"stemmed": 1, "coder": 1, "pairs": 2, "alike": 8, "large": FURTHER_OF_LARGE}
    build, seen = architectures.build, []

    def watched(model: ModelSpec, *arguments: Any, **keywords: Any) -> nn.Module:
        seen.append(model.depth)
        return build(model, *arguments, **keywords)

    for family, expected in numbers.items():
        trial = trial_of(folder, family, 4)
        network = network_of(trial)
        assert (sum(p.numel() for p in network.parameters()) > LARGE) == (family == "large")
        before, random = list(built()), torch.get_rng_state()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(architectures, "build", watched)
            counted(trial, network)
        assert seen == [5 + i for i in range(expected)], family
        assert built() == before, "that list is the user's, which building writes to"
        assert torch.equal(torch.get_rng_state(), random)
        seen.clear()


def test_one_chain_as_long_as_the_depth_asks_no_deeper_network(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = trial_of(folder, "stemmed", 3)
    blocks = [importlib.import_module("towers_of_tests").Block(8) for _ in range(3)]
    monkeypatch.setattr(architectures, "build", lambda *a, **k: pytest.fail("built"))
    assert counted(trial, nn.Sequential(nn.Flatten(), nn.Linear(64, 8), *blocks, nn.Linear(8, 10))) == ()
