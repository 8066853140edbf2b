"""Which parameters are weights, and as what each is measured: the matrix by which it acts on its layer's input."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from skipray.metrics.computing.spectral_norms import spectral_norms
from skipray.probe import measure, probe
from skipray.probe.generalization import generalization_measures, initial_weights
from skipray.probe.weights import left_out, weight_layers
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
    found = generalization_measures(network, x, y, initial=initial_weights(network)).values
    product = singular_values(by_outputs(network[0]))[0] * singular_values(network[2].weight)[0]
    assert found["norm.log_spectral_product"] == pytest.approx(math.log(product), rel=1e-6)
    assert spectral_norms([weight_layers(network)[0].weight()])[0] == pytest.approx(
        singular_values(by_outputs(network[0]))[0], rel=1e-6
    )


def parameter(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape))


def module(kind: str, parts: dict[str, object], base: type[nn.Module] = nn.Module, *arguments: int) -> nn.Module:
    """One of a class of that name, with these parameters or modules."""
    made = type(kind, (base,), {"__module__": __name__})(*arguments)
    for name, part in parts.items():
        setattr(made, name, part)
    return made


def names(network: nn.Module) -> list[str]:
    return [layer.name for layer in weight_layers(network)]


@pytest.mark.parametrize("kind", ["WeightNormLinear", "Norm", "Embedding", "PositionalTable"])
@pytest.mark.parametrize(
    ("base", "arguments"),
    [(nn.Linear, (3, 4)), (nn.Conv2d, (3, 4, 2)), (nn.GRU, (3, 4)), (nn.MultiheadAttention, (4, 2))],
)
def test_what_derives_from_a_layer_of_torch_is_one_whatever_it_is_called(kind, base, arguments):
    plain, named = base(*arguments), module(kind, {}, base, *arguments)
    assert names(named) == names(plain)
    assert names(plain)
    assert left_out(named) == []


@pytest.mark.parametrize(
    ("kind", "parts", "expected"),
    [
        ("NormFreeBlock", {"weight": (4, 4)}, ["weight"]),
        ("NormalizedMixer", {"mixing": (4, 6)}, ["mixing"]),
        ("Block", {"query": (4, 4)}, ["query"]),
        (
            "Block",
            {"w_query": (4, 6), "queryProj": (4, 6), "query_weight": (4, 6)},
            ["w_query", "queryProj", "query_weight"],
        ),
        ("Block", {"query": (4, 2), "key": (4, 2)}, ["query", "key"]),
        ("Block", {"queries": (3, 4, 2), "keys": (3, 4, 2)}, ["queries", "keys"]),
        ("Block", {"W_Q": (4, 2), "kernel": (4, 3, 2, 2)}, ["W_Q", "kernel"]),
        ("Block", {"gain": (1, 4, 1, 1), "bias": (4,), "shift": (1, 4)}, []),
    ],
)
def test_own_matrices_are_weights(kind, parts, expected):
    block = module(kind, {name: parameter(*shape) for name, shape in parts.items()})
    assert names(block) == expected
    assert left_out(block) == []


@pytest.mark.parametrize(
    ("kind", "name", "shape"),
    [
        ("Block", "query", (5, 4)),
        ("Block", "query", (1, 5, 4)),
        ("Block", "latents", (1, 5, 4)),
        ("Block", "positions", (5, 4)),
        ("Block", "posEmbed", (5, 4)),
        ("Block", "class_token", (2, 4)),
        ("Block", "relative_position_bias_table", (9, 2)),
        ("Block", "scales", (3, 4)),
        ("RMSNorm", "weight", (3, 4)),
        ("LayerNorm2d", "weight", (3, 4, 4)),
        ("BatchNormalization", "weight", (3, 4)),
    ],
)
def test_what_a_name_or_shape_leaves_out_is_told(kind, name, shape):
    network = nn.Sequential(nn.Linear(4, 4), module(kind, {name: parameter(*shape)}))
    assert names(network) == ["0.weight"]
    assert left_out(network) == [f"1.{name}"]


def test_of_torchs_own_layers_nothing_is_told():
    network = nn.Sequential(
        nn.Embedding(9, 4), nn.LayerNorm((3, 4)), nn.MultiheadAttention(4, 2, add_bias_kv=True), nn.Bilinear(2, 3, 4),
        nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)), nn.utils.parametrizations.orthogonal(nn.Linear(4, 4)),
    )  # fmt: skip
    assert left_out(network) == []
    adapted = module("Adapted", {"lora_a": parameter(2, 4), "scale_table": parameter(2, 4)}, nn.Linear, 4, 4)
    assert names(adapted) == ["weight", "lora_a"]
    assert left_out(adapted) == ["scale_table"]
    tied = module("Words", {"table": parameter(9, 4), "out": nn.Linear(4, 9)})
    tied.out.weight = tied.table
    assert (names(tied), left_out(tied)) == (["out.weight"], [])


def pruned(layer: nn.Module) -> nn.Module:
    return prune.random_unstructured(layer, "weight", 0.4)


HOOKS = {
    "weight norm": (nn.utils.weight_norm, nn.utils.remove_weight_norm),
    "weight norm as a whole": (lambda layer: nn.utils.weight_norm(layer, dim=None), nn.utils.remove_weight_norm),
    "spectral norm": (nn.utils.spectral_norm, nn.utils.remove_spectral_norm),
    "pruned": (pruned, lambda layer: prune.remove(layer, "weight")),
}
LAYERS = {
    "linear": lambda: nn.Linear(6, 6),
    "convolution": lambda: nn.Sequential(nn.Unflatten(1, (1, 6)), nn.Conv1d(1, 2, 3, padding=1)),
    "transposed": lambda: nn.Sequential(nn.Unflatten(1, (1, 6)), nn.ConvTranspose1d(1, 2, 3, padding=1)),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated:FutureWarning")
@pytest.mark.parametrize(("add", "remove"), HOOKS.values(), ids=HOOKS)
@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_a_weight_that_a_hook_makes_is_measured_as_it_acts(add, remove, make):
    torch.manual_seed(0)
    layer = make()
    inner = layer[-1] if isinstance(layer, nn.Sequential) else layer
    add(inner)
    network = nn.Sequential(layer, nn.ReLU(), nn.Flatten(), nn.LazyLinear(3)).train()
    x, y = torch.randn(20, 6), torch.randint(3, (20,))
    for _ in range(3):
        network(x)
    with torch.no_grad():  # what acts is another one than at the last pass
        for learned in inner.parameters():
            learned *= 1 + torch.rand_like(learned)
    network.eval()
    found, gradients = measured(network, x, y)
    remove(inner.eval())
    expected, plain = measured(network, x, y)
    assert "norm.log_path" not in found
    assert found == pytest.approx({key: value for key, value in expected.items() if key in found}, rel=1e-5, abs=1e-7)
    assert expected.keys() - found.keys() == {"norm.log_path"}
    assert gradients == pytest.approx(plain, rel=1e-4, abs=1e-7, nan_ok=True)


def measured(network: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[dict[str, float], dict[str, float]]:
    """Metrics of the network, and statistics of its weights and their gradients."""
    start = {name: torch.zeros_like(weight) for name, weight in initial_weights(network).items()}
    assert list(start) == names(network)
    table = probe(network, (x, y))
    rows = table[table["tensor"].isin(["weight", "weight_gradient"]) & (table["statistic"] == "rms")]
    keys = rows["layer"] + "/" + rows["tensor"] + "/" + rows["unfolding"]
    found = dict(zip(keys, rows["value"], strict=True))
    spectra = table[(table["tensor"] == "weight") & (table["statistic"] == "spectral_norm") & ~table["centred"]]
    found |= dict(zip(spectra["layer"] + spectra["unfolding"], spectra["value"], strict=True))
    assert len(found) >= 4
    return generalization_measures(network, x, y, initial=start).values, found


def test_a_stale_weight_of_a_hook_is_no_initial_one():
    with pytest.warns(FutureWarning):
        layer = nn.utils.weight_norm(nn.Linear(4, 4))
    with torch.no_grad():
        layer.weight_g *= 7
    (start,) = initial_weights(layer).values()
    assert torch.allclose(start, layer.weight_g * layer.weight_v / layer.weight_v.norm(dim=1, keepdim=True))


def test_the_weights_at_the_start_are_looked_at_without_changing_them() -> None:
    network = nn.Sequential(parametrizations.spectral_norm(nn.Linear(6, 6)), nn.Linear(6, 3)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    initial_weights(network)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert network.training
