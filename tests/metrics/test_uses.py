"""A weight is a factor of the product of norms as often as it acts, and one parameter of what training has moved."""

import copy

import pytest
import torch
from torch import nn

from skipray.metrics.computing.uses import uses
from skipray.probe.generalization import generalization_measures, initial_weights
from skipray.probe.weights import weight_layers

WIDTH, CLASSES, CALLS = 6, 3, 5
F = nn.functional


class Functional(nn.Module):
    """A weight that its block reads itself."""

    def __init__(self):
        super().__init__()
        self.mixing = nn.Parameter(torch.randn(WIDTH, WIDTH))

    def forward(self, x):
        return F.linear(x, self.mixing)


class Borrowed(nn.Module):
    """A layer that is never called, whose weight is read."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        return F.linear(x, self.inner.weight, self.inner.bias)


class Net(nn.Module):
    def __init__(self, block, tied):
        super().__init__()
        self.stem, self.head = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, CLASSES)
        self.blocks = nn.ModuleList([block if tied else copy.deepcopy(block) for _ in range(CALLS)])

    def forward(self, x):
        x = self.stem(x).relu()
        for block in self.blocks:
            x = block(x).relu()
        return self.head(x)


def tied_linears():
    """Layers of their own that have one weight together."""
    first, second = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
    second.weight = first.weight
    return nn.Sequential(first, nn.ReLU(), second)


BLOCKS = {
    "linear": lambda: nn.Linear(WIDTH, WIDTH),
    "nested": lambda: nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH)),
    "functional": Functional,
    "borrowed": Borrowed,
    "parametrised": lambda: nn.utils.parametrizations.weight_norm(nn.Linear(WIDTH, WIDTH)),
    "shared within": tied_linears,
}


def measures(net):
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(30, WIDTH, generator=generator), torch.randint(CLASSES, (30,), generator=generator)
    start = initial_weights(net)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter *= 1.5
    return generalization_measures(net.eval(), x, y, initial=start).values


@pytest.mark.parametrize("make", BLOCKS.values(), ids=BLOCKS)
def test_a_block_that_is_called_again_counts_as_its_copies_do(make):
    torch.manual_seed(0)
    block = make()
    tied, copies = Net(block, True), Net(block, False)
    copies.load_state_dict(tied.state_dict())
    found, expected = measures(tied), measures(copies)
    functions = [key for key in expected if key.startswith(("margin", "norm.log"))]
    assert len(functions) >= 5
    assert {key: found[key] for key in functions} == pytest.approx({key: expected[key] for key in functions})
    assert found["norm.distance"] < expected["norm.distance"], "parameters are moved once"


def counted(network, x):
    def run(handles):
        network(x)
        for handle in handles:
            handle.remove()

    layers = weight_layers(network)
    return dict(zip([layer.name for layer in layers], uses(network, [w.name for w in layers], run), strict=True))


def test_a_table_that_is_the_classifiers_weight_acts_where_it_is_multiplied_with():
    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.out = nn.Embedding(9, WIDTH), nn.Linear(WIDTH, 9, bias=False)
            self.out.weight = self.words.weight

        def forward(self, x):
            return self.out((self.words(x) + self.words(x + 1)).mean(1))

    assert counted(Words(), torch.arange(8).reshape(2, 4)) == {"out.weight": 1}


@pytest.mark.parametrize("training", [True, False])
def test_attention_is_called_once_a_layer_however_torch_computes_it(training):
    layer = nn.TransformerEncoderLayer(WIDTH, 2, 8, dropout=0.0, batch_first=True)
    network = nn.Sequential(layer, nn.Linear(WIDTH, WIDTH), layer).train(training)
    with torch.no_grad():
        found = counted(network, torch.randn(2, 4, WIDTH))
    assert found.pop("1.weight") == 1
    assert len(found) == 4
    assert set(found.values()) == {2}
