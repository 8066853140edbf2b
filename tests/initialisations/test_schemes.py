"""Each scheme's weights against its definition, and what it refuses."""

import pytest
import torch
from torch.nn import functional as F

from skipray import architectures
from skipray.extension import catalog

SHAPE = (3, 8, 8)


def build(make_model, scheme: str, architecture: str = "plainnet", **changes):
    model = make_model(architecture, **{"initialisation": scheme, "depth": 8, "width": 32} | changes)
    return architectures.build(model, SHAPE, 10, seed=0)


@pytest.mark.parametrize(
    ("scheme", "fans"),
    [("he_normal", lambda i, o: 2 / i), ("lecun_normal", lambda i, o: 1 / i), ("xavier", lambda i, o: 2 / (i + o))],
)
def test_variances(make_model, scheme: str, fans) -> None:
    network = build(make_model, scheme)
    weight = network.blocks[2].conv1.weight  # 64 -> 128 channels
    assert weight.mean().item() == pytest.approx(0, abs=4 * weight.std().item() / weight.numel() ** 0.5)
    assert weight.var().item() == pytest.approx(fans(9 * 64, 9 * 128), rel=0.03)
    grouped = build(make_model, scheme, "resnext", depth=11, cardinality=4, group_width=32).blocks[0].conv2.weight
    assert grouped.var().item() == pytest.approx(fans(9 * 32, 9 * 32), rel=0.03)


def first_allowed(make_model, scheme: str):
    """A small network that the scheme may start."""
    for family in catalog.names("architectures"):
        for normalization in ("batch", "none"):
            for kind in architectures.kinds(family):
                fields = {"kind": kind, "initialisation": scheme, "normalization": normalization, "width": 8}
                for depth in range(4, 15):
                    model = make_model(family, **fields, depth=depth)
                    entry = catalog.find("initialisations", scheme)
                    try:
                        if hasattr(entry, "check"):
                            entry.check(model)
                        catalog.find("architectures", family).check(model, SHAPE, 10)
                    except ValueError:
                        continue
                    return model
    raise AssertionError(f"no family may be started by {scheme}")


@pytest.mark.parametrize("scheme", catalog.names("initialisations"))
def test_values_follow_from_the_seed_alone(make_model, scheme: str) -> None:
    model = first_allowed(make_model, scheme)

    def values(seed: int) -> list[torch.Tensor]:
        torch.manual_seed(1)
        return [p.detach().clone() for p in architectures.build(model, SHAPE, 10, seed=seed).parameters()]

    one, again, other = values(3), values(3), values(4)
    assert all(torch.isfinite(value).all() for value in one)
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    if scheme != "as_built":  # which torch's own generator sets, in skipray's families
        assert not all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_xavier_is_uniform(make_model) -> None:
    weight = build(make_model, "xavier").blocks[0].conv1.weight
    assert weight.abs().max().item() == pytest.approx((6 / (18 * 32)) ** 0.5, rel=1e-3)


@pytest.mark.parametrize(("activation", "gain"), [("relu", 2**0.5), ("tanh", 1), ("linear", 1)])
def test_orthogonal_weights_are(make_model, activation: str, gain: float) -> None:
    network = build(make_model, "orthogonal", "resnext", depth=11, activation=activation)
    singular = torch.linalg.svdvals(network.blocks[1].conv1.weight.flatten(1))
    torch.testing.assert_close(singular, torch.full_like(singular, gain))
    for group in network.blocks[1].conv2.weight.chunk(4):
        singular = torch.linalg.svdvals(group.flatten(1))
        torch.testing.assert_close(singular, torch.full_like(singular, gain))


def test_a_delta_orthogonal_convolution_keeps_the_norm(make_model) -> None:
    weight = build(make_model, "delta_orthogonal", activation="tanh").blocks[2].conv2.weight
    images = torch.randn(2, 128, 6, 6)
    out = F.conv2d(images, weight, padding=1)
    torch.testing.assert_close(out.norm(dim=1), images.norm(dim=1))
    assert weight.count_nonzero() == 128 * 128


def test_a_dirac_layer_is_the_identity_and_a_tenth_of_a_direction(make_model) -> None:
    for changes, eye in (({"kind": "mlp"}, torch.eye(32)), ({}, torch.nn.init.dirac_(torch.empty(32, 32, 3, 3)))):
        layer = next(
            m for m in build(make_model, "dirac", **changes).blocks[0].modules() if hasattr(m, "effective_weight")
        )
        rest = layer.effective_weight() - eye
        torch.testing.assert_close(rest.flatten(1).norm(dim=1), torch.full((32,), 0.1))
        cosine = F.cosine_similarity(rest.flatten(1), layer.weight.flatten(1))
        torch.testing.assert_close(cosine, torch.ones(32))
        x = torch.randn(4, 32) if rest.dim() == 2 else torch.randn(4, 32, 5, 5)
        want = x @ layer.effective_weight().T if rest.dim() == 2 else F.conv2d(x, layer.effective_weight(), padding=1)
        torch.testing.assert_close(layer(x), want)


def test_a_grouped_dirac_layer_hands_its_input_on(make_model) -> None:
    for kind in ("mlp", "cnn"):
        network = build(
            make_model, "dirac", "resnext", kind=kind, depth=11, cardinality=4, group_width=8, normalization="none"
        )
        layer = getattr(network.blocks[0], "linear2" if kind == "mlp" else "conv2")
        torch.nn.init.zeros_(layer.weight_scale)
        x = torch.randn(3, 32) if kind == "mlp" else torch.randn(3, 32, 5, 5)
        torch.testing.assert_close(layer(x), x)


def test_dirac_plainnets_start_near_the_identity(make_model) -> None:
    """So a 164-layer one hands on more of what distinguishes its inputs; He's loses it all."""
    x = torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))

    def cosine(scheme: str) -> float:
        model = make_model("plainnet", kind="mlp", depth=164, width=32, initialisation=scheme, normalization="none")
        network = architectures.build(model, SHAPE, 10, seed=0)
        h = x.flatten(1) - x.flatten(1).mean(0)
        with torch.no_grad():
            h = network.stem(h)
            for block in network.blocks:
                h = block(h)
        return F.cosine_similarity(h[:4], h[4:]).mean().item()

    assert cosine("he_normal") > 0.9999
    assert cosine("dirac") < 0.95


@pytest.mark.parametrize("architecture", ["resnet", "resnext"])
def test_zero_gamma_blocks_start_as_their_skips(make_model, architecture: str) -> None:
    network = build(make_model, "zero_gamma", architecture, depth=11 if architecture == "resnext" else 8, kind="mlp")
    x = torch.rand(4, 32)
    assert torch.equal(network.blocks[0](x), x)
    assert network.blocks[0].norm1.weight.all()


def test_fixup_scales_the_first_layers_and_zeroes_the_last(make_model) -> None:
    network = build(make_model, "fixup", "fixup", depth=20, normalization="none")  # 9 branches of 2 layers
    assert network.blocks[0].conv1.weight.var().item() == pytest.approx(2 / (9 * 32) / 9, rel=0.05)
    assert not network.blocks[0].conv2.weight.any()
    assert not network.classifier.weight.any()
    deep = build(make_model, "fixup", "fixup", depth=20, block="bottleneck", normalization="none")  # 6 of 3 layers
    assert deep.blocks[1].conv2.weight.var().item() == pytest.approx(2 / (9 * 32) / 6**0.5, rel=0.05)


@pytest.mark.parametrize(
    ("scheme", "architecture", "changes", "key"),
    [
        ("delta_orthogonal", "plainnet", {"kind": "mlp"}, "initialisation"),
        ("zero_gamma", "plainnet", {}, "initialisation"),
        ("zero_gamma", "preresnet", {}, "initialisation"),
        ("zero_gamma", "highway", {}, "initialisation"),
        ("zero_gamma", "resnet", {"normalization": "none"}, "normalization"),
        ("zero_gamma", "resnet", {"residual_scale": "learned"}, "residual_scale"),
        ("fixup", "resnet", {"normalization": "none"}, "initialisation"),
    ],
)
def test_impossible_combinations_are_refused_by_name(
    make_model, scheme: str, architecture: str, changes: dict, key: str
) -> None:
    model = make_model(architecture, initialisation=scheme, **changes)
    with pytest.raises(ValueError, match=rf"found {scheme}.*allowed: ") as raised:
        catalog.find("initialisations", scheme).check(model)
    assert raised.value.args[1] == key
