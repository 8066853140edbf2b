"""Generalization measures against closed forms of linear models and second implementations."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from skipray import architectures
from skipray.metrics.calibration_error import expected_calibration_error
from skipray.metrics.computing.deletion import block_deletion
from skipray.metrics.computing.hessian import curvature
from skipray.metrics.computing.jacobian import jacobian_singular_values
from skipray.metrics.computing.spectral_norms import log_spectral_product, spectral_norms
from skipray.metrics.flatness import flatness
from skipray.metrics.gap_accuracy import measure as accuracy_gap
from skipray.metrics.gap_loss import measure as loss_gap
from skipray.metrics.gradient_correlation import gradient_correlation
from skipray.metrics.gradient_correlation_neighbours import neighbour_gradient_correlation
from skipray.metrics.margin import margin_quantiles, margins
from skipray.metrics.norm_distance import distance_from_initialisation
from skipray.metrics.norm_log_path import log_path_norm
from skipray.metrics.norm_log_spectral_complexity import log_spectral_complexity
from skipray.probe.generalization import generalization_measures
from skipray.spec import ModelSpec, ProbeSpec


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def family(name: str, normalization: str = "batch", kind: str = "mlp") -> nn.Module:
    residual = {"residual_scale": 1} if name == "resnet" else {}
    convolutional = {"block": "basic", "layout": "cifar"} | ({"shortcut": "A"} if name == "resnet" else {})
    model = ModelSpec(
        architecture=name, depth=8, kind=kind, width=12, normalization=normalization, initialisation="he_normal",
        activation="relu", **residual, **(convolutional if kind == "cnn" else {}),
    )  # fmt: skip
    return architectures.build(model, (1, 8, 8), 10, seed=0)


def test_gaps():
    assert accuracy_gap(0.9, 0.7) == pytest.approx(0.2)
    assert loss_gap(0.5, 1.25) == 0.75


def test_margins():
    logits = torch.tensor([[3.0, 1.0, 2.0], [0.0, -1.0, 5.0]])
    assert margins(logits, torch.tensor([0, 1])).tolist() == [1, -6]


def test_margin_quantiles_are_divided_by_the_norm_product():
    logits = torch.stack([torch.arange(11.0), torch.zeros(11)], 1)
    labels = torch.zeros(11, dtype=torch.long)
    assert margin_quantiles(logits, labels) == pytest.approx((1, 5, 9))
    assert margin_quantiles(logits, labels, math.log(10)) == pytest.approx((0.1, 0.5, 0.9))
    assert margin_quantiles(-logits, labels, 800.0) == pytest.approx((0, 0, 0))


def test_calibration_error():
    sure = torch.tensor([[50.0, 0.0]] * 4)
    assert expected_calibration_error(sure, torch.tensor([0, 0, 0, 1])) == pytest.approx(0.25)
    generator = np.random.default_rng(0)
    logits, labels = generator.normal(size=(500, 4)), generator.integers(4, size=500)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    confidence, right = p.max(1), p.argmax(1) == labels
    error = 0.0
    for low, high in itertools.pairwise(np.linspace(0, 1, 16)):
        chosen = (confidence > low) & (confidence <= high)
        if chosen.any():
            error += chosen.mean() * abs(right[chosen].mean() - confidence[chosen].mean())
    found = expected_calibration_error(torch.from_numpy(logits), torch.from_numpy(labels))
    assert found == pytest.approx(error, rel=1e-10)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_spectral_norms_of_every_shape_at_once(scale):
    shapes = [(5, 3), (3, 5), (4, 2, 3, 3), (5, 3), (1, 7)]
    weights = [scale * torch.randn(shape) for shape in shapes]
    expected = [float(torch.linalg.matrix_norm(w.double().flatten(1), 2)) for w in weights]
    assert spectral_norms(weights) == pytest.approx(expected, rel=1e-12)
    assert spectral_norms([torch.zeros(2, 2), torch.full((2, 2), math.inf)]) == [0.0, math.inf]


def test_norms_of_two_layers():
    a, b = torch.diag(torch.tensor([3.0, 4.0])), torch.tensor([[2.0, 0.0]])
    assert log_spectral_product([a, b]) == pytest.approx(math.log(8))
    assert distance_from_initialisation([a, b], [torch.zeros(2, 2), torch.zeros(1, 2)]) == pytest.approx(math.sqrt(29))
    # Rows of the changes have norms 3 and 4, and 2.
    expected = 8 * ((7 / 4) ** (2 / 3) + (2 / 2) ** (2 / 3)) ** 1.5
    zeros = [torch.zeros(2, 2), torch.zeros(1, 2)]
    assert log_spectral_complexity([a, b], zeros) == pytest.approx(math.log(expected))
    assert log_spectral_complexity([a, b], [a, b]) == -math.inf


def test_path_norm_sums_over_paths():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    w, v = model[0].weight.detach().double(), model[2].weight.detach().double()
    b, c = model[0].bias.detach().double(), model[2].bias.detach().double()
    total = sum(float((v[k, j] * w[j, i]) ** 2) for i in range(2) for j in range(3) for k in range(2))
    total += sum(float((v[k, j] * b[j]) ** 2) for j in range(3) for k in range(2)) + float((c**2).sum())
    assert log_path_norm(model, (2,)) == pytest.approx(0.5 * math.log(total))


def test_path_norm_folds_normalization():
    model = nn.Sequential(nn.Linear(4, 3, bias=False), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2, bias=False))
    model(torch.randn(50, 4) * 3)
    norm = model[1]
    with torch.no_grad():
        norm.weight.uniform_(0.5, 2)
        norm.running_mean.zero_()
    gain = (norm.weight / (norm.running_var + norm.eps).sqrt()).detach().double()
    folded = nn.Sequential(nn.Linear(4, 3, bias=False), nn.ReLU(), nn.Linear(3, 2, bias=False)).double()
    with torch.no_grad():
        folded[0].weight.copy_(model[0].weight * gain[:, None])
        folded[2].weight.copy_(model[3].weight)
    before = [b.clone() for b in model.buffers()]
    assert log_path_norm(model, (4,)) == pytest.approx(log_path_norm(folded, (4,)), rel=1e-6)
    assert all(torch.equal(a, b) for a, b in zip(before, model.buffers(), strict=True))
    assert model.training


@pytest.mark.parametrize("initialisation", ["he_normal", "dirac"])
def test_path_norm_of_a_scaled_residual_network(initialisation):
    """Every path through three residual blocks, the branches scaled: a product of squared matrices."""
    scale = 3**-0.5
    model = ModelSpec(
        architecture="resnet", depth=8, kind="mlp", width=6, normalization="none", initialisation=initialisation,
        activation="relu", residual_scale="inverse_sqrt_depth",
    )  # fmt: skip
    network = architectures.build(model, (1, 2, 2), 3, seed=0)

    def squared(layer: nn.Module) -> np.ndarray:
        weight = layer.effective_weight() if hasattr(layer, "effective_weight") else layer.weight
        return weight.detach().double().numpy() ** 2

    total = squared(network.stem.linear).sum(1)
    for block in network.blocks:
        total = total + scale**2 * squared(block.linear2) @ squared(block.linear1) @ total
    expected = 0.5 * math.log((squared(network.classifier) @ total).sum())
    assert log_path_norm(network, (1, 2, 2)) == pytest.approx(expected, rel=1e-9)
    assert log_path_norm(network, (1, 2, 2)) == pytest.approx(expected, rel=1e-9), "left as found"


def test_flatness_is_where_the_loss_has_risen_by_a_tenth():
    model = nn.Linear(6, 3)
    inputs = torch.randn(200, 6)
    labels = model(inputs).argmax(1)
    with torch.no_grad():
        model.weight.mul_(6)
        model.bias.mul_(6)
    kept = [p.detach().clone() for p in model.parameters()]
    sigma = flatness(model, inputs, labels, seed=3)
    assert all(torch.equal(a, b) for a, b in zip(kept, model.parameters(), strict=True))
    assert sigma == flatness(model, inputs, labels, seed=3)
    assert sigma != flatness(model, inputs, labels, seed=4)

    generator = torch.Generator().manual_seed(3)
    draws = [[torch.randn(p.shape, generator=generator) for p in kept] for _ in range(5)]

    def rise(s: float) -> float:
        losses = []
        for w, b in draws:
            logits = inputs @ (kept[0] * (1 + s * w)).T + kept[1] * (1 + s * b)
            losses.append(float(nn.functional.cross_entropy(logits, labels)))
        return np.mean(losses) - float(nn.functional.cross_entropy(inputs @ kept[0].T + kept[1], labels))

    assert 0 < sigma < 1
    assert rise(sigma) <= 0.1 < rise(sigma * 1.02)


def test_flatness_of_a_network_that_does_not_care():
    model = nn.Linear(4, 2)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    assert flatness(model, torch.randn(10, 4), torch.randint(2, (10,))) == 1


def test_hessian_of_a_linear_model():
    """Softmax regression: the Hessian is the mean of (diag p - p p') x x x' (Boehning 1992)."""
    model = nn.Linear(4, 3, bias=False)
    inputs, labels = torch.randn(60, 4), torch.randint(3, (60,))
    p = model(inputs).softmax(1).detach().double().numpy()
    x = inputs.double().numpy()
    expected = np.mean([np.kron(np.diag(q) - np.outer(q, q), np.outer(v, v)) for q, v in zip(p, x, strict=True)], 0)
    found = curvature(model, inputs, labels, seed=0, draws=400)
    assert found.top_eigenvalue == pytest.approx(np.linalg.eigvalsh(expected)[-1], rel=1e-3)
    assert found.trace == pytest.approx(np.trace(expected), rel=0.1)
    assert found == curvature(model, inputs, labels, seed=0, draws=400)
    # Of sign vectors the variance is twice the sum of the squares beside the diagonal.
    off = expected - np.diag(np.diag(expected))
    assert found.trace_error == pytest.approx(math.sqrt(2 * (off**2).sum() / 400), rel=0.15)
    assert abs(found.trace - np.trace(expected)) < 4 * found.trace_error


def test_jacobian_of_a_linear_map():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
    found = jacobian_singular_values(model, torch.randn(7, 3, 4))
    expected = np.linalg.svd(model[1].weight.detach().double().numpy(), compute_uv=False)
    np.testing.assert_allclose(found, np.tile(expected, (7, 1)), rtol=1e-6)


def test_shattering_of_a_linear_model():
    """Two classes: every gradient lies along the difference of the two weight rows, with the label's sign."""
    model = nn.Linear(5, 2)
    inputs, labels = torch.randn(30, 5), torch.randint(2, (30,))
    sign = np.where(labels.numpy() == 0, 1.0, -1.0)
    pairs = np.outer(sign, sign)[~np.eye(30, dtype=bool)]
    assert gradient_correlation(model, inputs, labels) == pytest.approx(pairs.mean(), abs=1e-6)
    assert neighbour_gradient_correlation(model, inputs, labels) == pytest.approx(1, abs=1e-6)


def test_shattering_sample_by_sample():
    model = nn.Sequential(nn.Linear(6, 40), nn.Tanh(), nn.Linear(40, 3))
    inputs, labels = 2 * torch.randn(9, 6), torch.randint(3, (9,))

    def gradient(x: torch.Tensor, label: torch.Tensor) -> np.ndarray:
        x = x.clone().requires_grad_()
        (found,) = torch.autograd.grad(nn.functional.cross_entropy(model(x), label), x)
        return (found / found.norm()).numpy()

    here = np.stack([gradient(x, y) for x, y in zip(inputs, labels, strict=True)])
    cosines = (here @ here.T)[~np.eye(9, dtype=bool)]
    assert gradient_correlation(model, inputs, labels) == pytest.approx(cosines.mean(), rel=1e-4)
    steps = torch.randn(inputs.shape, generator=torch.Generator().manual_seed(5))
    near = inputs + 0.5 * steps * (inputs.norm(dim=1) / steps.norm(dim=1))[:, None]
    there = np.stack([gradient(x, y) for x, y in zip(near, labels, strict=True)])
    found = neighbour_gradient_correlation(model, inputs, labels, distance=0.5, seed=5)
    assert found == pytest.approx((here * there).sum(1).mean(), rel=1e-4)
    assert found < 0.999


def test_deep_plain_networks_are_shattered():
    """With batch norm and He's initialisation, as in figure 1 of the source."""

    def correlation(depth: int) -> float:
        torch.manual_seed(1)
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers += [nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU()]
            nn.init.kaiming_normal_(layers[-3].weight)
        network = nn.Sequential(*layers, nn.Linear(64, 10))
        return neighbour_gradient_correlation(network, torch.randn(64, 64), torch.randint(10, (64,)), distance=0.1)

    assert correlation(2) > 0.8
    assert correlation(30) < 0.2


def test_deleting_a_residual_block_leaves_its_skip():
    network = family("resnet", kind="mlp").eval()
    inputs, labels = torch.randn(20, 1, 8, 8), torch.randint(10, (20,))
    whole = network(inputs).detach()
    found = {d.layer: d for d in block_deletion(network, inputs, labels, network.hidden_layers(), seed=0)}
    layers = network.hidden_layers()
    assert list(found) == [layer.name for layer in layers[1:]]
    silent = layers[2].branch.register_forward_hook(lambda m, a, out: out * 0)
    without = network(inputs).detach()
    silent.remove()
    assert found[layers[2].name].output_change == pytest.approx(
        float((without - whole).norm() / whole.norm()), rel=1e-5
    )
    accuracy = [(scores.argmax(1) == labels).double().mean() for scores in (without, whole)]
    assert found[layers[2].name].accuracy_change == pytest.approx(float(accuracy[0] - accuracy[1]))
    assert torch.equal(network(inputs), whole)


def test_deleting_a_plain_block_makes_it_the_identity():
    network = family("plainnet").eval()
    inputs, labels = torch.randn(20, 1, 8, 8), torch.randint(10, (20,))
    layers = network.hidden_layers()
    stem: list[torch.Tensor] = []
    handle = layers[0].output.register_forward_hook(lambda m, a, out: stem.append(out))
    whole = network(inputs).detach()
    handle.remove()
    swap = layers[1].output.register_forward_hook(lambda m, a, out: stem[0])
    without = network(inputs).detach()
    swap.remove()
    found = block_deletion(network, inputs, labels, network.hidden_layers(), seed=0)
    assert [d.layer for d in found] == [layer.name for layer in layers[1:]]
    assert found[0].output_change == pytest.approx(float((without - whole).norm() / whole.norm()), rel=1e-5)


def test_plain_blocks_that_change_the_shape_are_left_out():
    network = family("plainnet", kind="cnn").eval()
    found = block_deletion(network, torch.randn(6, 1, 8, 8), torch.randint(10, (6,)), network.hidden_layers(), seed=0)
    assert len(found) == len(network.hidden_layers()) - 3


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
@pytest.mark.parametrize("name", ["plainnet", "resnet"])
def test_all_measures_of_a_trial(name, kind):
    network = family(name, kind=kind)
    initial = {n: p.detach().clone() for n, p in network.named_parameters()}
    inputs, labels = torch.randn(20, 1, 8, 8), torch.randint(10, (20,))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.01 * torch.randn_like(parameter)
    before = {n: t.clone() for n, t in network.state_dict().items()}
    options = {"initial": initial, "spec": ProbeSpec(preset="full", jacobian=True)}
    found = generalization_measures(network, inputs, labels, **options).values
    assert all(torch.equal(t, before[n]) for n, t in network.state_dict().items())
    assert network.training
    assert all(math.isfinite(v) for v in found.values())
    expected = {
        "margin.q10", "margin.q50", "margin.q90", "norm.log_spectral_product", "norm.log_path", "norm.distance",
        "norm.log_spectral_complexity", "calibration_error", "flatness", "gradient_correlation",
        "gradient_correlation.neighbours", "deletion.output_change.median", "deletion.accuracy_change.median",
        "jacobian.spectral_norm.median", "jacobian.rms", "cka.consecutive.median", "cka.consecutive.min", "nc1",
        "nc2.lengths", "nc2.angles", "nc3", "nc4",
    }  # fmt: skip
    assert set(found) == expected
    assert found == generalization_measures(network, inputs, labels, **options).values


def test_hessian_on_request():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    inputs, labels = torch.randn(30, 2, 2), torch.randint(3, (30,))
    found = generalization_measures(model, inputs, labels, spec=ProbeSpec(hessian=True)).values
    known = curvature(model.eval(), inputs, labels)
    assert (found["hessian.top_eigenvalue"], found["hessian.trace"]) == (known.top_eigenvalue, known.trace)
    assert found["hessian.trace.standard_error"] == known.trace_error
    assert (
        found
        == found
        | generalization_measures(
            model, inputs, labels, spec=ProbeSpec(metrics=("hessian_trace", "hessian_top_eigenvalue"))
        ).values
    ), "by name"
