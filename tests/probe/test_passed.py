"""Weights have the index of the hidden tensor that they lead to in a pass; those that it does not use are left out."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from skipray.architectures import HiddenLayer, build
from skipray.probe import layers_of, measure, probe
from skipray.probe.batch import Batch
from skipray.probe.generalization import generalization_measures, initial_weights
from skipray.probe.weights import weight_layers
from skipray.spec import ModelSpec, ProbeSpec


class Net(nn.Module):
    """A network of a few parts and a function of them."""

    def __init__(self, forward: Callable[[Any, Tensor], Tensor], **parts: Any) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.passing = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.passing(self, x)


class Rows(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.randn(4, 4))
        self.inner = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(self.inner(x), self.matrix)


def lin(into: int = 4, out: int = 4) -> nn.Linear:
    return nn.Linear(into, out)


def several() -> nn.ModuleList:
    return nn.ModuleList(lin() for _ in range(2))


def shared(net: Any, x: Tensor) -> Tensor:
    for layer in [net.stem, *net.layers]:
        x = net.act(layer(x))
    return net.head(x)


def backwards(net: Any, x: Tensor) -> Tensor:
    for layer in reversed(net.layers):
        x = layer(x).relu()
    return net.head(x)


def again(net: Any, x: Tensor) -> Tensor:
    for _ in range(3):
        x = net.layer(x).relu()
    return net.head(x)


def chosen(net: Any, x: Tensor) -> Tensor:
    return net.head(net.branches["a" if net.training else "b"](x))


def attending(net: Any, x: Tensor) -> Tensor:
    x = net.stem(x)[:, None]
    return net.head(net.attention(x, x, x)[0][:, 0])


def recurrent(net: Any, x: Tensor) -> Tensor:
    return net.head(net.second(net.first(x[:, None])[0].relu())[0][:, -1])


NETS: dict[str, tuple[Callable[[], nn.Module], dict[str, int]]] = {
    "one activation": (
        lambda: Net(shared, stem=lin(), layers=several(), act=nn.ReLU(), head=lin()),
        {"stem": 0, "layers.0": 2, "layers.1": 4, "head": 6},
    ),
    "defined in another order": (
        lambda: Net(backwards, head=lin(), layers=several()),
        {"layers.1": 0, "layers.0": 1, "head": 2},
    ),
    "called again": (lambda: Net(again, layer=lin(), head=lin()), {"layer": 0, "head": 3}),
    "several outputs": (
        lambda: Net(recurrent, first=nn.GRU(4, 4, batch_first=True), second=nn.GRU(4, 4, batch_first=True), head=lin()),
        {f"{name}.weight_{kind}_l0": i for i, name in ((0, "first"), (2, "second")) for kind in ("ih", "hh")}
        | {"head": 4},
    ),
    "a weight that is no module's call": (
        lambda: Net(
            lambda net, x: net.head(net.act(x @ net.weights[0]) @ net.weights[1]),
            head=lin(), act=nn.Tanh(), weights=nn.ParameterList(torch.randn(4, 4) for _ in range(2)),
        ),
        {"weights.0": 0, "weights.1": 1, "head": 1},
    ),
    "forward by name": (
        lambda: Net(lambda net, x: net.head(net.act(net.stem.forward(x))), head=lin(), act=nn.Tanh(), stem=lin()),
        {"stem": 0, "head": 1},
    ),
    "a block with a weight of its own": (
        lambda: Net(lambda net, x: net.head(net.rows(x)), rows=Rows(), head=lin()),
        {"rows.inner": 0, "rows.matrix": 1, "head": 2},
    ),
    "attention": (
        lambda: Net(attending, head=lin(), attention=nn.MultiheadAttention(4, 2, batch_first=True), stem=lin()),
        {"stem": 0, "attention.out_proj": 1, "attention.in_proj_weight": 1, "head": 3},
    ),
    "parametrised": (
        lambda: Net(backwards, head=lin(), layers=nn.ModuleList(parametrizations.weight_norm(lin()) for _ in range(2))),
        {"layers.1": 0, "layers.0": 1, "head": 2},
    ),
    "parametrised and not called": (
        lambda: Net(
            lambda net, x: net.head(functional.linear(net.act(x), net.stem.weight)),
            stem=parametrizations.orthogonal(lin()), act=nn.Tanh(), head=lin(),
        ),
        {"stem": 1, "head": 1},
    ),
    "an unused head": (
        lambda: Net(backwards, aux=lin(), layers=several(), head=lin()),
        {"layers.1": 0, "layers.0": 1, "head": 2},
    ),
    "a branch": (
        lambda: Net(chosen, branches=nn.ModuleDict({"a": lin(), "b": lin()}), head=lin()),
        {"branches.b": 0, "head": 1},
    ),
}  # fmt: skip


def indices(table: Any, tensor: str) -> dict[str, int]:
    rows = table[table["tensor"] == tensor].drop_duplicates("layer")
    return dict(zip(rows["layer"], rows["layer_index"], strict=True))


@pytest.mark.parametrize("name", NETS)
def test_a_weight_has_the_index_of_what_it_leads_to(name: str) -> None:
    torch.manual_seed(0)
    make, expected = NETS[name]
    network, inputs, labels = make().eval(), torch.randn(9, 4), torch.arange(9) % 4
    table = probe(network, (inputs, labels))
    assert indices(table, "weight") == indices(table, "weight_gradient") == expected
    assert list(indices(table, "weight")) == list(expected), "in the order of the pass"
    hidden = indices(table, "hidden")
    for layer, index in expected.items():
        assert hidden.get(layer, index) == index, "a module and its weight are one layer"
    found = measure(network, inputs, labels, ProbeSpec(preset="full", samples=9, histograms=True), epoch=1)
    last = max(hidden.values())
    sizes = found.layers[(found.layers["tensor"] == "weight_gradient") & (found.layers["statistic"] == "gradient_norm")]
    sizes = sizes[(sizes["phase"] == "eval") & ~sizes["centred"]]
    at_last = sizes[sizes["layer_index"] == last]["value"]
    assert found.metrics.get("weight_gradient.gradient_norm.last_block") == (at_last.max() if len(at_last) else None)
    places = {(h.layer_index, h.tensor) for h in found.histograms}
    assert {(0, "hidden"), (last, "hidden")} <= places
    assert {index for index, tensor in places if tensor == "weight"} == {min(expected.values()), max(expected.values())}


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("an unused head", "3 modules that compute by themselves; without aux, which a pass does not use"),
        ("a branch", "2 modules that compute by themselves; without branches.a, which a pass does not use"),
        ("forward by name", "2 modules that compute by themselves"),
        ("attention", "3 modules that compute by themselves"),
    ],
)
def test_the_rule_says_what_a_pass_sees(name: str, rule: str) -> None:
    network, inputs = NETS[name][0](), torch.randn(9, 4)
    assert layers_of(network, Batch((inputs,), samples=9)).rule == rule


def test_a_network_is_probed_in_the_mode_that_it_is_in() -> None:
    network = NETS["a branch"][0]().train()
    table = probe(network, torch.randn(9, 4))
    assert indices(table, "weight") == indices(table, "hidden") == {"branches.a": 0, "head": 1}
    assert table.attrs["layers"].endswith("without branches.b, which a pass does not use")


def test_many_unused_weights_are_counted() -> None:
    network = Net(backwards, layers=several(), head=lin(), extra=nn.ModuleList(lin() for _ in range(5)))
    rule = layers_of(network, Batch((torch.randn(9, 4),), samples=9)).rule
    assert rule.endswith("; without extra.0, extra.1, extra.2 and 2 more, which a pass does not use")


def test_what_a_pass_does_not_use_is_in_no_metric_of_the_network() -> None:
    torch.manual_seed(0)
    layers, head = several(), lin()
    plain, more = (Net(backwards, layers=layers, head=head, **aux).eval() for aux in ({}, {"aux": lin()}))
    inputs, labels = torch.randn(40, 4), torch.arange(40) % 4
    found = [
        generalization_measures(n, inputs, labels, initial=initial_weights(n), spec=ProbeSpec(preset="full")).values
        for n in (plain, more)
    ]
    assert found[0] == found[1] != {}


def test_declared_layers_without_weights_are_known_by_their_places() -> None:
    class Declares(Net):
        def skipray_layers(self) -> list[HiddenLayer]:
            return [HiddenLayer(f"last but {i}", layer, None, None, ()) for i, layer in enumerate(self.layers)]

    network = Declares(backwards, head=lin(), layers=several())
    table = probe(network, torch.randn(9, 4))
    assert indices(table, "hidden") == {"last but 0": 0, "last but 1": 1}
    assert indices(table, "weight") == {"layers.1": 1, "layers.0": 0, "head": 2}


def test_a_family_measured_at_other_places_has_their_indices() -> None:
    fields = {"architecture": "resnet", "depth": 8, "kind": "mlp", "width": 8, "normalization": "none"}
    fields |= {"initialisation": "he_normal", "activation": "relu", "residual_scale": 1}
    network, inputs = build(ModelSpec(**fields), (1, 4, 4), 10, seed=0), torch.randn(9, 1, 4, 4)
    names = [layer.layer for layer in weight_layers(network)]
    told = indices(probe(network, inputs), "weight")
    assert list(told) == names
    found = indices(probe(network, inputs, layers=["blocks.*"]), "weight")
    assert found == {name: max(0, index - 1) for name, index in told.items()}
