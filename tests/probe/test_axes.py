"""Dead units are features of tokens, and channels of positions, whatever the layers between them are."""

import pytest
import torch
from torch import nn

from skipray.metrics import chosen
from skipray.probe import probe
from skipray.probe.reduction import TensorPlace, reduce_tensor

SAMPLES, PLACES, DEAD, UNITS = 12, 5, 3, 8


class Flip(nn.Module):
    def forward(self, x):
        return x.transpose(1, 2)


def kill(layer: nn.Module) -> nn.Module:
    """The first units give a negative number for every input, before a ReLU, and the others a positive one."""
    with torch.no_grad():
        layer.bias[:DEAD], layer.bias[DEAD:] = -100.0, 100.0
    return layer


def dead(network: nn.Module, shape: tuple[int, ...], layer: str) -> float:
    table = probe(network.eval(), torch.randn(SAMPLES, *shape, generator=torch.Generator().manual_seed(0)))
    rows = table[(table["tensor"] == "hidden") & (table["layer"] == layer) & (table["statistic"] == "dead_fraction")]
    assert set(rows["version"]) == {2}
    return float(rows["value"].item())


@pytest.mark.parametrize(
    ("layers", "shape", "layer"),
    [
        (lambda: [kill(nn.Linear(4, UNITS)), nn.ReLU(), nn.Linear(UNITS, 4)], (4,), "1"),
        (lambda: [kill(nn.Linear(4, UNITS)), nn.ReLU(), nn.Linear(UNITS, 4)], (PLACES, 4), "1"),
        (lambda: [kill(nn.Conv1d(4, UNITS, 1)), nn.ReLU(), nn.Conv1d(UNITS, 4, 1)], (4, PLACES), "1"),
        (lambda: [kill(nn.ConvTranspose1d(4, UNITS, 1)), nn.ReLU()], (4, PLACES), "1"),
        (lambda: [nn.Conv1d(4, 6, 1), Flip(), kill(nn.Linear(6, UNITS)), nn.ReLU()], (4, PLACES), "3"),
        (lambda: [kill(nn.Conv2d(4, UNITS, 1)), nn.ReLU(), nn.Conv2d(UNITS, 4, 1)], (4, PLACES, 6), "1"),
        (lambda: [kill(nn.Conv3d(4, UNITS, 1)), nn.ReLU()], (4, PLACES, 2, 3), "1"),
    ],
    ids=["rows", "tokens", "1-d channels", "1-d transposed", "tokens behind channels", "maps", "volumes"],
)
def test_dead_units_of_every_layout(layers, shape, layer):
    torch.manual_seed(0)
    assert dead(nn.Sequential(*layers()), shape, layer) == pytest.approx(DEAD / UNITS)


def test_padding_keeps_no_unit_alive():
    tokens, real = torch.ones(SAMPLES, PLACES, UNITS), torch.ones(SAMPLES, PLACES, dtype=torch.bool)
    tokens[:, :-1, :DEAD] = 0
    real[:, -1] = False
    place = TensorPlace("a", 0, "hidden", "eval")
    metrics = chosen(("dead_fraction",), ())
    found = reduce_tensor(tokens, place, metrics, centred=False, real=real).entries["dead_fraction"]
    assert found == pytest.approx(DEAD / UNITS)
