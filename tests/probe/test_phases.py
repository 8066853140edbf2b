"""Which function of a network each phase of a record describes."""

import random
from collections.abc import Callable

import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from skipray.architectures import build
from skipray.metrics.computing.modes import evaluation_mode
from skipray.probe import measure
from skipray.probe.generalization import generalization_measures, learned_weights
from skipray.spec import ModelSpec, ProbeSpec

DEFAULT, FULL = ProbeSpec(samples=16), ProbeSpec(samples=16, preset="full")
KEY = ["layer", "layer_index", "tensor", "unfolding", "centred", "statistic"]


def batch() -> tuple[Tensor, Tensor]:
    return torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(1)), torch.arange(16) % 10


def family(name: str, **changes: object) -> nn.Module:
    fields = {"architecture": name, "depth": 14, "kind": "mlp", "width": 32, "normalization": "none"}
    fields |= {"initialisation": "he_normal", "activation": "relu"} | changes
    return build(ModelSpec(**fields), (1, 8, 8), 10, seed=0)


class OwnNorm(nn.Module):
    """Batch normalization of one's own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("running_mean", torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(0) if self.training else self.running_mean
        return x - mean


class Own(nn.Module):
    """A network of one's own, with what differs in training."""

    def __init__(self, dropped: Callable[[Tensor, bool], Tensor], norm: nn.Module | None = None) -> None:
        super().__init__()
        self.stem, self.norm, self.head = nn.Linear(64, 8), norm or nn.Identity(), nn.Linear(8, 10)
        self.dropped = dropped

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.dropped(self.norm(self.stem(x.flatten(1))), self.training))


def own(dropped: Callable[[Tensor, bool], Tensor], norm: nn.Module | None = None) -> nn.Module:
    torch.manual_seed(0)
    return Own(dropped, norm)


def as_it_is(x: Tensor, training: bool) -> Tensor:
    return x


def half(x: Tensor, training: bool) -> Tensor:
    return functional.dropout(x, 0.5, training)


BLOCKS = {"residual_scale": 1}
PAIRS = {
    "dropout": lambda on: family("plainnet", **({"dropout": 0.5} if on else {})),
    "dropout in blocks": lambda on: family("resnet", **BLOCKS, **({"dropout": 0.5} if on else {})),
    "stochastic depth": lambda on: family(
        "resnet", **BLOCKS, normalization="batch", **({"stochastic_depth": 0.9} if on else {})
    ),
    "functional dropout": lambda on: own(half if on else as_it_is),
    "functional dropout behind a norm": lambda on: own(half if on else as_it_is, nn.BatchNorm1d(8)),
    "functional dropout behind an own norm": lambda on: own(half if on else as_it_is, OwnNorm(8)),
    "functional dropout behind an instance norm": lambda on: own(
        half if on else as_it_is, nn.Sequential(nn.Unflatten(1, (2, 4)), nn.InstanceNorm1d(2), nn.Flatten())
    ),
}
"""Networks with and without what draws in training."""


def told(table: pd.DataFrame) -> dict[tuple[object, ...], float]:
    known = table.dropna(subset="value")
    return dict(zip(known[KEY].itertuples(index=False, name=None), known["value"], strict=True))


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("spec", [DEFAULT, FULL], ids=["default", "full"])
def test_before_training_batch_statistics_are_all_that_is_as_in_training(name: str, spec: ProbeSpec) -> None:
    """Gradients at the outputs too: nothing is dropped, in whatever way the network does that."""
    inputs, labels = batch()
    found = [PAIRS[name](on).train() for on in (True, False)]
    tables = [measure(n, inputs, labels, spec, epoch=0, trained_together=8).layers for n in found]
    dropping, plain = (told(t[t["phase"] == "train"]) for t in tables)
    assert dropping == plain
    assert any(tensor == "output_gradient" for _, _, tensor, *_ in plain)
    assert all(module.training for n in found for module in n.modules()), "left as it was"


@pytest.mark.parametrize("name", PAIRS)
def test_before_training_the_scores_are_those_of_the_same_function(name: str) -> None:
    """What is judged, what is probed and what network metrics read is one network."""
    inputs, labels = batch()
    network = PAIRS[name](True).train()
    with evaluation_mode(network, batch_statistics=True), torch.no_grad():
        scores = network(inputs)
    seen: list[Tensor] = []
    handle = network.register_forward_hook(lambda module, given, output: seen.append(output.detach()))
    measure(network, inputs, labels, DEFAULT, epoch=0, trained_together=16)
    in_probe = len(seen)
    generalization_measures(network, inputs, labels, spec=DEFAULT, trained=False)
    handle.remove()
    # Where the layers are is asked in evaluation mode.
    assert any(torch.equal(s, scores) for s in seen[:in_probe])
    assert any(torch.equal(s, scores) for s in seen[in_probe:])


def test_normalizations_take_the_batchs_statistics_before_training() -> None:
    """Of torch's and of one's own: the running ones of before training would leave the means."""
    inputs, _ = batch()
    for norm in (nn.BatchNorm1d(8, affine=False), OwnNorm(8)):
        network = own(half, norm)
        seen: list[Tensor] = []
        handle = norm.register_forward_hook(lambda module, given, output, seen=seen: seen.append(output.detach()))
        with evaluation_mode(network, batch_statistics=True):
            network(inputs + 1)
        handle.remove()
        assert seen[0].mean(0).abs().max() < 1e-5


def attending() -> nn.Module:
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.head = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 10)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.inner(x[:, 0], x[:, 0], x[:, 0], need_weights=False)[0].mean(1))

    return Attending()


def sometimes(x: Tensor, training: bool) -> Tensor:
    return x * 2 if training and random.random() < 0.6 else x


@pytest.mark.parametrize(
    ("network", "phases"),
    [
        (lambda: own(as_it_is), {"eval"}),
        (lambda: own(lambda x, training: x + torch.rand_like(x)), {"eval"}),
        (lambda: own(lambda x, training: x * 2 if training else x), {"eval", "train"}),
        (lambda: own(half), {"eval", "train"}),
        (lambda: own(sometimes), {"eval", "train"}),
        (lambda: family("resnet", residual_scale=1, stochastic_depth=0.9), {"eval", "train"}),
        (lambda: family("resnet", residual_scale=1, dropout=0.5), {"eval", "train"}),
        (lambda: family("resnet", residual_scale=1), {"eval"}),
        (attending, {"eval"}),
    ],
    ids=[
        "alike",
        "noise in both",
        "asks",
        "function",
        "by chance",
        "stochastic depth",
        "dropout",
        "plain",
        "other kernels",
    ],
)
def test_the_other_phase_is_measured_where_the_network_differs_in_it(
    network: Callable[[], nn.Module], phases: set[str]
) -> None:
    inputs, labels = batch()
    random.seed(0)
    drawn = random.getstate()
    found = measure(network(), inputs, labels, FULL, epoch=1).layers
    assert set(found["phase"]) == phases
    assert random.getstate() == drawn


@pytest.mark.parametrize(
    "make", [parametrizations.weight_norm, parametrizations.spectral_norm], ids=["norm", "spectral"]
)
def test_updates_are_of_the_weights_that_act(make: Callable[[nn.Module], nn.Module]) -> None:
    """Looking at them moves nothing: spectral norm's own iteration takes a step at each look in training."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), make(nn.Linear(64, 8)), nn.ReLU(), nn.Linear(8, 10)).train()
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    before = learned_weights(network)
    assert all(torch.equal(state[name], tensor) for name, tensor in network.state_dict().items())
    assert set(before) == {"1.weight", "3.weight"}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1
    updates = {name: weight - before[name] for name, weight in learned_weights(network).items()}
    network.eval()
    assert torch.equal(updates["1.weight"], network[1].weight.detach() - before["1.weight"])
    found = measure(network, *batch(), FULL, epoch=1, weight_updates=updates).layers
    assert set(found[found["tensor"] == "weight_update"]["layer"]) == {"1", "3"}


class Discretised(nn.Module):
    """Numbers that become tokens inside, so that no gradient reaches the inputs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x.long())


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("spec", [DEFAULT, FULL], ids=["default", "full"])
def test_behind_an_embedding_all_outputs_have_gradients(spec: ProbeSpec, inside: bool) -> None:
    """In every phase that measures some, the embedding's own output too: against autograd's."""
    torch.manual_seed(0)
    layers = [nn.Embedding(7, 8), nn.Flatten(), nn.Linear(32, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 3)]
    network = nn.Sequential(*layers)
    inputs, labels = torch.randint(7, (16, 4)), torch.arange(16) % 3
    given = (Discretised(network), inputs + 0.5) if inside else (network, inputs)
    for epoch in (0, 1):
        table = measure(*given, labels, spec, epoch=epoch, trained_together=16).layers
        rows = table[(table["tensor"] == "output_gradient") & (table["statistic"] == "gradient_norm")]
        assert len(rows) or (epoch, spec) == (1, DEFAULT)
        hidden = table[table["tensor"] == "hidden"]
        for phase, group in rows.groupby("phase"):
            names = set(hidden[hidden["phase"] == phase]["layer"])
            assert set(group["layer"]) >= names, phase
    network.eval()
    first = network[0](inputs)
    value = functional.cross_entropy(network[1:](first), labels)
    (gradient,) = torch.autograd.grad(value, first)
    if spec is FULL:
        found = rows[(rows["phase"] == "eval") & rows["layer"].str.endswith("0")]["value"].tolist()
        assert found == pytest.approx([gradient.double().norm().item()], rel=1e-5)


def test_of_every_loss_the_same_outputs_have_gradients() -> None:
    """The scores' too: against autograd's. What compares losses must not compare other layers."""
    inputs, labels = batch()
    network = family("resnet", residual_scale=1).eval()
    losses = {
        "cross-entropy": (None, labels),
        "values": (functional.mse_loss, torch.randn(16, 10, generator=torch.Generator().manual_seed(0))),
        "own": (lambda scores, _: scores.square().mean(), labels),
        "writes": (lambda scores, targets: functional.cross_entropy(scores.mul_(2), targets), labels),
    }
    names = []
    for loss, targets in losses.values():
        table = measure(network, inputs, targets, FULL, epoch=1, loss=loss).layers
        rows = table[(table["tensor"] == "output_gradient") & (table["statistic"] == "gradient_norm")]
        rows = rows[rows["phase"] == "eval"]
        names.append(rows["layer"].tolist())
        scores = network(inputs)
        value = (loss or functional.cross_entropy)(scores.clone(), targets)
        (expected,) = torch.autograd.grad(value, scores)
        found = rows[rows["layer"] == "classifier"]["value"].tolist()
        assert found == pytest.approx([expected.double().norm().item()], rel=1e-5)
    assert all(one == names[0] for one in names)
