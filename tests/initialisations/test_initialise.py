"""Every parameter's first value follows from seed, name, shape and scheme alone."""

import hashlib
import types

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from skipray import architectures, initialisations
from skipray.extension import catalog
from skipray.extension.contract import DeclarationRefused

SHAPE = (3, 8, 8)


def values(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in network.named_parameters()}


def test_same_seed_same_bits_other_seed_other_bits(make_model) -> None:
    model = make_model("resnet", depth=8, width=4)
    first, again, other = (values(architectures.build(model, SHAPE, 10, seed=s)) for s in (3, 3, 4))
    for name in first:
        assert torch.equal(first[name], again[name])
    assert not torch.equal(first["blocks.1.conv2.weight"], other["blocks.1.conv2.weight"])


def test_a_weights_generator_is_seeded_by_its_name(make_model) -> None:
    network = architectures.build(make_model("plainnet", depth=8, width=4), SHAPE, 10, seed=11)
    digest = hashlib.sha256(b"11/initialisation/blocks.2.conv1.weight").digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))
    expected = torch.empty(16, 8, 3, 3).normal_(0, (2 / 72) ** 0.5, generator=generator)
    assert torch.equal(network.blocks[2].conv1.weight, expected)


@pytest.mark.parametrize("normalization", ["batch", "none"])
def test_families_share_what_they_share_by_name(make_model, normalization: str) -> None:
    networks = [
        values(architectures.build(make_model(f, depth=20, width=4, normalization=normalization), SHAPE, 10, seed=5))
        for f in ("plainnet", "resnet", "preresnet")
    ]
    for name, value in networks[0].items():
        if value.dim() == 4:
            assert torch.equal(value, networks[1][name])
            assert torch.equal(value, networks[2][name])


def test_the_first_layers_do_not_depend_on_the_depth(make_model) -> None:
    shallow, deep = (
        values(architectures.build(make_model("resnet", kind="mlp", depth=d, width=8), SHAPE, 10, seed=5))
        for d in (8, 20)
    )
    assert all(torch.equal(value, deep[name]) for name, value in shallow.items())


def test_torchs_global_generator_is_left_alone(make_model) -> None:
    model = make_model("highway", depth=8, width=4)
    network = architectures.build(model, SHAPE, 10, seed=5)
    before = torch.random.get_rng_state()
    initialisations.initialise(network, model, 6)
    assert torch.equal(before, torch.random.get_rng_state())


def test_without_a_seed_torchs_own_seeds_it(make_model) -> None:
    model = make_model("resnet", depth=8, width=4)
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(values(architectures.build(model, SHAPE, 10))["stem.conv.weight"])
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_initialising_again_forgets_the_training(make_model) -> None:
    """Of every parameter of every family, scalars, gates and Dirac vectors included."""
    for architecture, changes in (
        ("resnet", {"residual_scale": "learned", "initialisation": "dirac"}),
        ("highway", {}),
        ("fixup", {"initialisation": "fixup", "normalization": "none"}),
    ):
        model = make_model(architecture, depth=8, width=4, **changes)
        network = architectures.build(model, SHAPE, 10, seed=5)
        fresh = values(network)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(1)
        initialisations.initialise(network, model, 5)
        for name, value in values(network).items():
            assert torch.equal(value, fresh[name]), name


def test_somebody_elses_modules_get_the_scheme_too(make_model) -> None:
    """Known layers by the scheme, unknown ones by their own reset_parameters, from a seed of their own."""

    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.vector = nn.Parameter(torch.empty(6))
            self.reset_parameters()

        def reset_parameters(self) -> None:
            nn.init.normal_(self.vector)

    def network() -> nn.Sequential:
        return nn.Sequential(nn.Linear(200, 100), nn.LayerNorm(100), Odd(), nn.Conv1d(4, 8, 3, groups=2))

    model = make_model("plainnet")
    one, two = network(), network()
    for n in (one, two):
        initialisations.initialise(n, model, 9)
    assert torch.equal(one[2].vector, two[2].vector)
    assert one[0].weight.std().item() == pytest.approx((2 / 200) ** 0.5, rel=0.02)
    assert not one[0].bias.any()
    assert not one[3].bias.any()


OWN = """
from skipray.initialisations import Layer

seen = []


def fill(weight, layer, generator):
    weight.normal_(0, 0.1, generator=generator)


def fill_bias(bias, layer, generator):
    seen.append((layer.name, layer.bias_variance))
    bias.uniform_(1, 2, generator=generator)


def finish(network, model, generator):
    for gain in (p for name, p in network.named_parameters() if name.endswith("norm1.weight")):
        gain.uniform_(3, 4, generator=generator)
"""


def test_ones_own_scheme_sets_biases_and_draws_at_the_end(make_model, monkeypatch) -> None:
    own = types.ModuleType("own_scheme")
    exec(OWN, own.__dict__)
    found = catalog.find
    monkeypatch.setattr(catalog, "find", lambda kind, name: own if kind == "initialisations" else found(kind, name))
    initialisations.CONTRACT.check("own:scheme", own)
    model = make_model("resnet", kind="mlp", depth=8, width=8, normalization="layer")
    one, again, other = (values(architectures.build(model, SHAPE, 10, seed=s)) for s in (3, 3, 4))
    for start, low, high in (("bias", 1, 2), ("norm1.weight", 3, 4)):
        names = [n for n in one if n.endswith(start) and ("norm" in n) == ("norm" in start)]
        assert names
        for name in names:
            assert torch.equal(one[name], again[name])
            assert not torch.equal(one[name], other[name])
            assert bool(((one[name] >= low) & (one[name] <= high)).all()), name
    assert {name.rpartition(".")[2] for name, _ in own.seen} == {"bias"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("def fill_bias(bias, layer, generator)", "def fill_bias(bias)"),
            "allowed: fill_bias(bias, layer, generator)",
        ),
        (("def finish(network, model, generator)", "def finish(network)"), "allowed: finish(network, model)"),
    ],
)
def test_what_takes_other_arguments_is_refused(change: tuple[str, str], said: str) -> None:
    own = types.ModuleType("own_scheme")
    exec(OWN.replace(*change), own.__dict__)
    with pytest.raises(DeclarationRefused) as caught:
        initialisations.CONTRACT.check("own:scheme", own)
    assert said in str(caught.value)


OF = ("", " of today")
"""A function of torch.nn.utils, or of torch.nn.utils.parametrizations."""


@pytest.mark.parametrize("kind", ["linear", "convolution", "transposed"])
@pytest.mark.parametrize("wrap", [f"{name}{of}" for name in ("weight_norm", "spectral_norm") for of in OF] + ["mask"])
@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
def test_a_scheme_reaches_weights_that_are_made_of_others(wrap, kind, make_model) -> None:
    """What acts is what the scheme gives a bare layer: as it is, masked, or divided by its spectral norm."""
    make = {
        "linear": lambda: nn.Linear(12, 8),
        "convolution": lambda: nn.Conv2d(4, 8, 3),
        "transposed": lambda: nn.ConvTranspose2d(4, 8, 3),
    }[kind]
    wrapped, plain = nn.Sequential(make()), nn.Sequential(make())
    model = make_model("plainnet", depth=8, width=4)
    assert initialisations.initialise(plain, model, seed=3) == ()
    expected = plain[0].weight.detach()
    if wrap == "mask":
        prune.random_unstructured(wrapped[0], "weight", 0.5)
    else:
        home = nn.utils.parametrizations if wrap.endswith("today") else nn.utils
        getattr(home, wrap.partition(" ")[0])(wrapped[0])
    assert initialisations.initialise(wrapped, model, seed=3) == ()
    wrapped.eval()(torch.ones(2, 12) if kind == "linear" else torch.ones(2, 4, 5, 5))
    found = wrapped[0].weight.detach()
    assert torch.equal(wrapped[0].bias, torch.zeros(8))
    if wrap == "mask":
        expected = expected * wrapped[0].weight_mask
    if wrap.startswith("spectral_norm"):
        rows = (expected.transpose(0, 1) if kind == "transposed" else expected).flatten(1)
        exact = wrap == "spectral_norm"  # torch's own vectors are near after so many steps
        norm = float(torch.linalg.matrix_norm(rows, 2))
        ratio = float(found.norm() / expected.norm()) * norm
        assert ratio == pytest.approx(1, rel=1e-5 if exact else 0.1)
        expected = expected * (ratio / norm)
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-7)
