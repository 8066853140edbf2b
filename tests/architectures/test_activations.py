"""Activations, gains and scales: their formulas, their sizes, and what does not go together."""

import math

import pytest
import torch
from torch import nn

from skipray import activations, architectures
from skipray.activations.tailored_leaky_relu import composed, slope
from skipray.architectures.building.measured import measured_sizes
from skipray.extension import catalog
from skipray.spec.values import ActivationChoice

NAMES = catalog.names("activations")


def given(name):
    """An activation as a model has it: with values for what has no default."""
    return {"name": name, **getattr(catalog.find("activations", name), "EXAMPLE", {})}


SHAPE = (1, 8, 8)
X = torch.linspace(-3, 3, 41, dtype=torch.float64)


@pytest.mark.catalog
def test_the_words_of_a_refusal_name_them_all():
    said = ActivationChoice.__metadata__[-1].text
    assert set(NAMES) <= set(said.replace(",", "").split())


@pytest.mark.parametrize(
    ("activation", "formula"),
    [
        ("gelu", lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2),
        ("silu", lambda x: x / (1 + math.exp(-x))),
        ("softplus", lambda x: math.log(1 + math.exp(x))),
        ({"name": "leaky_relu", "slope": 0.3}, lambda x: max(x, 0) + 0.3 * min(x, 0)),
        ({"name": "elu", "alpha": 0.5}, lambda x: x if x > 0 else 0.5 * (math.exp(x) - 1)),
        ("selu", lambda x: 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * (math.exp(x) - 1))),
        ({"name": "sine", "frequency": 2}, lambda x: math.sin(2 * x)),
    ],
)
def test_formulas(activation, formula):
    found = activations.make(activation, 7)(X)
    assert torch.allclose(found, torch.tensor([formula(x) for x in X.tolist()], dtype=torch.float64), atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("architecture", ["plainnet", "preresnet", "highway"])
def test_sizes_are_those_of_the_network(make_model, architecture, name):
    if name == "tailored_leaky_relu" and architecture != "plainnet":
        return
    fields = {"normalization": "none", "initialisation": "orthogonal", "activation": given(name)}
    for normalization in ("none", "batch")[: 1 if name == "tailored_leaky_relu" else 2]:
        model = make_model(architecture, kind="mlp", depth=6, width=8, **(fields | {"normalization": normalization}))
        found = architectures.sizes(model, SHAPE, 10)
        wanted = measured_sizes(lambda model=model: architectures.build(model, SHAPE, 10), SHAPE)
        assert (found.parameters, found.flops) == (wanted.parameters, wanted.flops)
        if name != "tailored_leaky_relu":  # its scale is a second operation, which keeps nothing of its own
            assert found.activation_bytes == wanted.activation_bytes, f"does KEPT of {name} hold?"


def check_kept(name):
    """KEPT of an activation's file, counted as autograd keeps tensors."""
    told = catalog.find("activations", name).KEPT
    before = torch.linspace(-3, 3, 41, requires_grad=True) * 1  # as a layer gives it: no leaf
    storages = set()

    def noted(tensor):
        if tensor.numel() == before.numel():
            storages.add(tensor.untyped_storage().data_ptr())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(noted, lambda tensor: tensor):
        output = activations.make(given(name), 7)(before)
    counted = len(storages - {output.untyped_storage().data_ptr()})
    assert counted == told, (
        f"skipray/activations/{name}.py says KEPT = {told}; autograd keeps {counted} besides the output"
    )


@pytest.mark.parametrize("name", NAMES)
def test_kept_is_what_autograd_keeps(name):
    check_kept(name)


def test_a_wrong_kept_is_named(monkeypatch):
    monkeypatch.setattr(catalog.find("activations", "gelu"), "KEPT", 3)
    with pytest.raises(AssertionError, match=r"gelu\.py says KEPT = 3; autograd keeps 1 besides the output"):
        check_kept("gelu")


def read(text, **tensors):
    return eval(text.format(**{name: name for name in tensors}), {"torch": torch, **tensors})


@pytest.mark.parametrize("name", NAMES)
def test_an_activation_keeps_its_promises(name):
    """Finite, of its tensor's type; the same bits in place; autograd's gradient; a gain that keeps mean squares."""
    found = activations.make(given(name), 7)(X)
    assert torch.isfinite(found).all()
    assert (found.dtype, found.shape) == (X.dtype, X.shape)
    assert torch.equal(activations.make_in_place(given(name), 7)(X.clone()), found)
    x = X.clone().requires_grad_()
    output = activations.make(given(name), 7)(x)
    (wanted,) = torch.autograd.grad(output, x, X)
    kept = (x if activations.kept(given(name)) else output).detach()
    written = activations.write(given(name), 7)
    if written is not None:
        assert torch.equal(read(written.forward, x=X), found)
        assert torch.equal(read(written.in_place or written.forward, x=X.clone()), found)
        assert torch.equal(read(written.backward, g=X, kept=kept), wanted)
        over = X.clone()
        assert torch.equal(read(written.backward_in_place or written.backward, g=over, kept=kept), wanted)
    if hasattr(catalog.find("activations", name), "gain"):
        z = torch.linspace(-12, 12, 240_001, dtype=torch.float64)
        density = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
        mean_square = float(torch.trapezoid(activations.make(given(name), 7)(z) ** 2 * density, z))
        assert activations.gain(given(name)) ** 2 * mean_square == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize(("layers", "eta"), [(20, 0.9), (50, 0.9), (200, 0.5)])
def test_the_tailored_slope_takes_right_angles_to_eta(layers, eta):
    """The map of cosines, by Monte Carlo of one layer, and the slope that follows from its composition."""
    a = slope(layers, eta)
    assert composed(layers, a) == pytest.approx(eta, abs=1e-9)
    assert slope(2 * layers, eta) > a
    phi = activations.make({"name": "tailored_leaky_relu", "eta": eta}, layers)
    u, v = torch.randn(2, 2_000_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert float((phi(u) ** 2).mean()) == pytest.approx(1, abs=5e-3)
    assert float((phi(u) * phi(v)).mean()) == pytest.approx(composed(1, a), abs=5e-3)


def test_an_activation_of_ones_own(make_model, tmp_path, monkeypatch):
    (tmp_path / "my_activations.py").write_text("def cube(x, factor=1):\n    return factor * x ** 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert activations.make("my_activations:cube", 3)(torch.tensor(2.0)) == 8
    model = make_model("plainnet", kind="mlp", depth=6, activation={"name": "my_activations:cube", "factor": 0.5})
    assert architectures.build(model, SHAPE, 10, seed=0)(torch.randn(2, *SHAPE)).shape == (2, 10)
    assert list(activations.mistakes("torch:tanh")) == []
    assert list(activations.mistakes("torch.nn:Tanh")) == [
        "found 'torch.nn:Tanh', which is a class; allowed: a function of a tensor, such as torch:tanh"
    ]


@pytest.mark.parametrize(("scheme", "gain"), [("lecun_normal", 1.7), ("orthogonal", 0.8)])
def test_weight_gain_and_bias_variance_are_the_variances_of_mean_field_theory(make_model, scheme, gain):
    fields = {"normalization": "none", "initialisation": scheme, "weight_gain": gain, "bias_variance": 0.25}
    net = architectures.build(make_model("plainnet", kind="mlp", depth=6, width=400, **fields), SHAPE, 10, seed=0)
    layer = net.blocks[0].linear1.requires_grad_(False)
    assert float(layer.weight.square().sum(1).mean()) == pytest.approx(gain, rel=0.02)
    assert float(layer.bias.square().mean()) == pytest.approx(0.25, rel=0.25)


def test_a_shallow_network_is_left_a_relu():
    assert slope(3, 0.9) == 0


def test_a_residual_scale_is_any_number(make_model):
    net = architectures.build(make_model("resnet", kind="mlp", depth=6, residual_scale=0.3), SHAPE, 10, seed=0)
    assert net.blocks[0].scale.factor == 0.3


@pytest.mark.parametrize(
    ("architecture", "fields", "key", "said"),
    [
        ("plainnet", {"activation": "sigmoid"}, "activation", "found 'sigmoid'; allowed: elu, gelu"),
        ("plainnet", {"activation": {"name": "gelu", "slope": 1}}, "activation", "found the argument slope"),
        ("plainnet", {"activation": "tailored_leaky_relu"}, "activation", "found no eta"),
        ("resnet", {"activation": given("tailored_leaky_relu")}, "activation", "which has skips; allowed: plainnet"),
        ("plainnet", {"activation": given("tailored_leaky_relu")}, "normalization", "found batch with tailored"),
        ("plainnet", {"weight_gain": 2.0}, "weight_gain", "found 2.0 with he_normal, whose gain is its own"),
        ("plainnet", {"bias_variance": 0.1}, "bias_variance", "before which layers have no biases"),
    ],
)
def test_what_means_nothing_is_refused_by_name(make_model, architecture, fields, key, said):
    with pytest.raises(ValueError, match="found") as caught:
        architectures.build(make_model(architecture, kind="mlp", depth=6, **fields), SHAPE, 10, seed=0)
    assert said in str(caught.value)
    assert caught.value.args[1] == key


def test_torchs_own_layers_start_as_they_are_built(make_model):
    net = architectures.build(make_model("plainnet", kind="mlp", depth=6, initialisation="as_built"), SHAPE, 10, seed=3)
    bound = 64**-0.5
    assert 0.9 * bound < float(net.stem.linear.weight.detach().abs().max()) <= bound
    assert isinstance(net.stem.linear, nn.Linear)


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
@pytest.mark.parametrize("family", ["plainnet", "resnet", "preresnet", "fixup", "skipinit", "densenet"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_in_place_gives_the_same_bits_and_overwrites_nothing_that_is_looked_at(
    make_model, monkeypatch, activation, family, kind
):
    """Loss and gradients are those of a network that overwrites nothing; what the probe sees stands afterwards."""
    if (family, kind) == ("densenet", "mlp"):
        return
    plain = family in ("fixup", "skipinit")
    fields = {"normalization": "none", "initialisation": "fixup" if family == "fixup" else "he_normal"} if plain else {}
    scale = {"residual_scale": "learned"} if family == "skipinit" else {}
    depth = {"mlp": 8, "cnn": 10 if family == "densenet" else 8}[kind]
    model = make_model(family, kind=kind, depth=depth, width=8, activation=activation, **(fields | scale))
    x = torch.randn(6, *SHAPE, generator=torch.Generator().manual_seed(0))
    found = []
    for overwrites in (True, False):
        if not overwrites:
            monkeypatch.setattr(activations, "make_in_place", activations.make)
        network = architectures.build(model, SHAPE, 10, seed=0)
        seen = []
        for layer in network.hidden_layers():
            for module in (layer.output, layer.branch, layer.skip):
                if module is not None:
                    module.register_forward_hook(lambda m, given, out, seen=seen: seen.append((out, out.clone())))
        scores = network(x)
        loss = nn.functional.cross_entropy(scores, torch.arange(6))
        loss.backward()
        assert seen
        assert all(torch.equal(now, then) for now, then in seen)
        found.append([scores.detach(), *(p.grad for p in network.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
