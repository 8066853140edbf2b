"""Which parameters are weights, and as what each is measured: the matrix by which it acts on its layer's input."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from skipray.metrics.computing.spectral_norms import spectral_norms
from skipray.probe import measure, probe
from skipray.probe.generalization import generalization_measures, initial_weights
from skipray.probe.weights import weight_layers
from skipray.spec import ProbeSpec

F = nn.functional


def singular_values(matrix: torch.Tensor) -> np.ndarray:
    return np.linalg.svd(matrix.detach().double().numpy(), compute_uv=False)


TRANSPOSED = {
    "1-d": (lambda: nn.ConvTranspose1d(4, 6, 3), (4, 5)),
    "2-d": (lambda: nn.ConvTranspose2d(4, 12, 2, 2), (4, 5, 5)),
    "3-d": (lambda: nn.ConvTranspose3d(2, 4, 2), (2, 3, 3, 3)),
    "grouped": (lambda: nn.ConvTranspose2d(4, 6, 2, groups=2), (4, 5, 5)),
    "depthwise": (lambda: nn.ConvTranspose2d(4, 4, 3, groups=4), (4, 5, 5)),
}


def by_outputs(layer: nn.Module) -> torch.Tensor:
    """(out, what it sees), each output's kernel read off the layer's answers to single inputs."""
    weight, groups = layer.weight.detach(), layer.groups
    size = layer.out_channels // groups
    rows = []
    for out in range(layer.out_channels):
        group = weight.chunk(groups)[out // size]  # the inputs that the output's group has
        rows.append(group[:, out % size].flatten())
    return torch.stack(rows)


@pytest.mark.parametrize(("make", "shape"), TRANSPOSED.values(), ids=TRANSPOSED)
def test_a_transposed_convolution_has_its_outputs_first(make, shape):
    torch.manual_seed(0)
    layer = make()
    (found,) = weight_layers(layer)
    assert torch.equal(found.weight().flatten(1), by_outputs(layer))
    # The answer at one place, of an input that is one pixel, is the product with what the rows say of that place.
    kernel = math.prod(layer.kernel_size)
    each = layer.in_channels // layer.groups
    pixel = torch.randn(1, layer.in_channels, *[1] * (len(shape) - 1))
    answer = F.conv_transpose3d if len(shape) == 4 else F.conv_transpose2d if len(shape) == 3 else F.conv_transpose1d
    out = answer(pixel, layer.weight, groups=layer.groups).flatten(2)[0]  # (out, places of the kernel)
    rows = by_outputs(layer).reshape(layer.out_channels, each, kernel)
    inputs = pixel.flatten().chunk(layer.groups)
    for i in range(layer.out_channels):
        group = i // (layer.out_channels // layer.groups)
        assert torch.allclose(out[i], inputs[group] @ rows[i], atol=1e-5)


@pytest.mark.parametrize(("make", "shape"), TRANSPOSED.values(), ids=TRANSPOSED)
def test_weights_gradients_and_updates_of_transposed_convolutions_are_unfolded_alike(make, shape):
    torch.manual_seed(0)
    layer = make()
    network = nn.Sequential(layer, nn.Flatten(), nn.LazyLinear(3)).eval()
    x, y = torch.randn(8, *shape), torch.randint(3, (8,))
    network(x)
    updates = {name: torch.randn_like(p) for name, p in network.named_parameters()}
    table = measure(network, x, y, ProbeSpec(preset="full"), epoch=1, weight_updates=updates).layers
    _, spectra = probe(network, x, spectra=True)
    assert spectra["0/weight/out/raw"] == pytest.approx(singular_values(by_outputs(layer)), rel=1e-6, abs=1e-7)
    rows = table[(table["layer"] == "0") & ~table["centred"] & (table["unfolding"] == "out")]
    rank = rows[rows["statistic"] == "structural_rank"].set_index("tensor")["value"]
    assert rank.to_dict() == dict.fromkeys(("weight", "weight_update", "weight_gradient"), min(by_outputs(layer).shape))
    none = measure(network, x, y, ProbeSpec(preset="full"), epoch=1, no_updates="no step").layers
    absent, weight = (
        (t["layer"] == "0") & (t["tensor"] == kind) for t, kind in ((none, "weight_update"), (table, "weight"))
    )
    assert set(none[absent]["unfolding"]) == set(table[weight]["unfolding"])


def test_the_spectral_norm_of_a_transposed_convolution_is_of_its_outputs():
    torch.manual_seed(0)
    network = nn.Sequential(nn.ConvTranspose2d(4, 12, 2, 2), nn.Flatten(), nn.Linear(48, 3)).eval()
    x, y = torch.randn(8, 4, 1, 1), torch.randint(3, (8,))
    found = generalization_measures(network, x, y, initial=initial_weights(network))
    product = singular_values(by_outputs(network[0]))[0] * singular_values(network[2].weight)[0]
    assert found["norm.log_spectral_product"] == pytest.approx(math.log(product), rel=1e-6)
    assert spectral_norms([weight_layers(network)[0].weight()])[0] == pytest.approx(
        singular_values(by_outputs(network[0]))[0], rel=1e-6
    )
