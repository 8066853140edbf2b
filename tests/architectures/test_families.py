"""What each family computes, against its formula written out here."""

import pytest
import torch
from torch.nn import functional as F

from skipray import architectures

IMAGES = (3, 8, 8)
CONNECTED = {"kind": "mlp", "width": 6, "normalization": "none"}


def state_of(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach() for name, value in network.named_parameters()}


def batch(*shape: int) -> torch.Tensor:
    return torch.randn(5, *shape, generator=torch.Generator().manual_seed(3))


def test_plain_blocks_by_hand(make_model) -> None:
    network = architectures.build(make_model("plainnet", **CONNECTED, depth=6), (1, 2, 3), 4, seed=0)
    w, h = state_of(network), batch(1, 2, 3).flatten(1)
    for name in ("stem.linear", "blocks.0.linear1", "blocks.0.linear2", "blocks.1.linear1", "blocks.1.linear2"):
        h = torch.relu(h @ w[f"{name}.weight"].T)
    torch.testing.assert_close(network(batch(1, 2, 3)), h @ w["classifier.weight"].T)


@pytest.mark.parametrize(("scale", "factor"), [(1, 1.0), ("inverse_sqrt_depth", 2**-0.5), ("learned", 0.3)])
def test_residual_blocks_by_hand(make_model, scale: object, factor: float) -> None:
    network = architectures.build(
        make_model("resnet", **CONNECTED, depth=6, residual_scale=scale), (1, 2, 3), 4, seed=0
    )
    w = state_of(network)
    if scale == "learned":
        for i in range(2):
            assert w[f"blocks.{i}.scale.factor"] == 0
            w[f"blocks.{i}.scale.factor"].fill_(factor)
    h = torch.relu(batch(1, 2, 3).flatten(1) @ w["stem.linear.weight"].T)
    for i in range(2):
        inner = torch.relu(h @ w[f"blocks.{i}.linear1.weight"].T)
        h = torch.relu(h + factor * inner @ w[f"blocks.{i}.linear2.weight"].T)
    torch.testing.assert_close(network(batch(1, 2, 3)), h @ w["classifier.weight"].T)


@pytest.mark.parametrize("cardinality", [1, 2, 3])
def test_resnext_adds_up_its_groups(make_model, cardinality: int) -> None:
    """`(sum_k W^k + I) h` for a linear network (the paper, section III-C): W^k goes through q / C inner units."""
    model = make_model("resnext", **CONNECTED, depth=5, activation="linear", cardinality=cardinality, group_width=2)
    network = architectures.build(model, (1, 2, 3), 4, seed=0)
    w = state_of(network)
    reduce, grouped, expand = (w[f"blocks.0.linear{i}.weight"] for i in (1, 2, 3))
    total = torch.eye(6)
    for k in range(cardinality):
        part = slice(2 * k, 2 * k + 2)
        total = total + expand[:, part] @ grouped[part] @ reduce[part]
    h = batch(1, 2, 3).flatten(1) @ w["stem.linear.weight"].T @ total.T
    torch.testing.assert_close(network(batch(1, 2, 3)), h @ w["classifier.weight"].T)


def test_preactivation_blocks_by_hand(make_model) -> None:
    model = make_model("preresnet", kind="mlp", width=6, depth=6, normalization="layer")
    network = architectures.build(model, (1, 2, 3), 4, seed=0)
    w = state_of(network)
    norm = lambda h: (h - h.mean(1, keepdim=True)) / (h.var(1, keepdim=True, correction=0) + 1e-5).sqrt()  # noqa: E731
    h = batch(1, 2, 3).flatten(1) @ w["stem.linear.weight"].T
    for i in range(2):
        inner = torch.relu(norm(h)) @ w[f"blocks.{i}.linear1.weight"].T
        h = h + torch.relu(norm(inner)) @ w[f"blocks.{i}.linear2.weight"].T
    torch.testing.assert_close(network(batch(1, 2, 3)), torch.relu(norm(h)) @ w["classifier.weight"].T)


def test_a_preactivated_projection_reads_the_first_activation(make_model) -> None:
    model = make_model("preresnet", width=4, depth=8, normalization="none", shortcut="B")
    block = architectures.build(model, IMAGES, 10, seed=0).blocks[1]
    x = batch(4, 8, 8)
    first = torch.relu(x)
    branch = F.conv2d(first, block.conv1.weight, stride=2, padding=1)
    branch = F.conv2d(torch.relu(branch), block.conv2.weight, padding=1)
    skip = F.conv2d(first, block.shortcut.conv.weight, stride=2)
    torch.testing.assert_close(block(x), branch + skip)


def test_highway_blocks_by_hand(make_model) -> None:
    network = architectures.build(make_model("highway", **CONNECTED, depth=4), (1, 2, 3), 4, seed=0)
    w = state_of(network)
    h = torch.relu(batch(1, 2, 3).flatten(1) @ w["stem.linear.weight"].T)
    for i in range(2):
        gate = torch.sigmoid(h @ w[f"blocks.{i}.gate.layer.weight"].T - 2)
        h = gate * torch.relu(h @ w[f"blocks.{i}.linear1.weight"].T) + (1 - gate) * h
    torch.testing.assert_close(network(batch(1, 2, 3)), h @ w["classifier.weight"].T)


def test_densenet_hands_every_channel_on(make_model) -> None:
    """Between transitions a layer's output begins with its input."""
    network = architectures.build(make_model("densenet", width=8, growth_rate=4, depth=16), IMAGES, 10, seed=0)
    x = network.stem(batch(*IMAGES))
    for _ in range(2):
        for block in (network.blocks[0], network.blocks[1]):
            out = block(x)
            assert torch.equal(out[:, : x.shape[1]], x)
            assert out.shape[1] == x.shape[1] + 4
            x = out
        break
    assert network.blocks[2](x).shape == (5, 8, 4, 4)  # (8 + 2 * 4) / 2 channels, half the plane


@pytest.mark.parametrize(("kind", "shape", "depth"), [("mlp", (1, 8, 8), 8), ("cnn", IMAGES, 8)])
def test_skipinit_starts_as_its_skips(make_model, kind: str, shape: tuple, depth: int) -> None:
    model = make_model("skipinit", kind=kind, width=6, depth=depth, normalization="none")
    network = architectures.build(model, shape, 10, seed=0)
    x = network.stem(batch(*shape).flatten(1) if kind == "mlp" else batch(*shape))
    assert torch.equal(network.blocks[0](x), x)


def test_fixup_blocks_by_hand(make_model) -> None:
    model = make_model("fixup", **CONNECTED, depth=4, initialisation="fixup")
    block = architectures.build(model, (1, 2, 3), 4, seed=0).blocks[0]
    values = {
        name: torch.randn(p.shape, generator=torch.Generator().manual_seed(i))
        for i, (name, p) in enumerate(block.named_parameters())
    }
    block.load_state_dict(values)
    x = batch(6)
    h = (x + values["before_layers.0.bias"]) @ values["linear1.weight"].T + values["before_activations.0.bias"]
    h = (torch.relu(h) + values["before_layers.1.bias"]) @ values["linear2.weight"].T
    h = h * values["multiplier.factor"] + values["multiplier.bias"]
    torch.testing.assert_close(block(x), torch.relu(h + x))


def test_option_a_takes_every_second_pixel_and_pads_with_zeros(make_model) -> None:
    block = architectures.build(make_model("resnet", width=4, depth=8), IMAGES, 10, seed=0).blocks[1]
    x = batch(4, 5, 5)
    skip = block.shortcut(x)
    assert torch.equal(skip[:, :4], x[:, :, ::2, ::2])
    assert skip.shape == (5, 8, 3, 3)
    assert not skip[:, 4:].any()


@pytest.mark.parametrize(
    "changes", [{}, {"block": "bottleneck", "depth": 20}, {"kind": "mlp"}, {"normalization": "none"}]
)
def test_a_plainnet_is_its_resnet_without_skips(make_model, changes: dict) -> None:
    """Same names, same initial weights, and the same function once the skips hand on nothing."""
    values = {"depth": 14, "width": 4} | changes
    shape = (1, 8, 8) if values.get("kind") == "mlp" else IMAGES
    plain = architectures.build(make_model("plainnet", **values), shape, 10, seed=7)
    residual = architectures.build(make_model("resnet", **values), shape, 10, seed=7)
    assert list(plain.state_dict()) == list(residual.state_dict())
    for name, value in plain.state_dict().items():
        assert torch.equal(value, residual.state_dict()[name])
    assert not torch.equal(plain(batch(*shape)), residual(batch(*shape)))
    for block in residual.blocks:
        block.shortcut = None
    assert torch.equal(plain(batch(*shape)), residual(batch(*shape)))


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_batch_normalization_is_torchs(make_model, kind: str) -> None:
    shape = (1, 8, 8) if kind == "mlp" else IMAGES
    network = architectures.build(make_model("resnet", kind=kind, width=4, depth=8), shape, 10, seed=0)
    ours = network.blocks[0].norm1
    theirs = (torch.nn.BatchNorm1d if kind == "mlp" else torch.nn.BatchNorm2d)(4)
    x = batch(4) if kind == "mlp" else batch(4, 8, 8)
    for train in (True, True, False):
        ours.train(train)
        theirs.train(train)
        assert torch.equal(ours(x), theirs(x))
    assert torch.equal(ours.running_var, theirs.running_var)
    ours.train().track_running_stats = False
    before = ours.running_mean.clone()
    ours(x + 5)
    assert torch.equal(ours.running_mean, before)


@pytest.mark.parametrize("cardinality", [3, 5, 48])
def test_a_cardinality_that_does_not_divide_is_refused(make_model, cardinality: int) -> None:
    model = make_model("resnext", cardinality=cardinality)
    with pytest.raises(
        ValueError, match=f"found the cardinality {cardinality}.*allowed: 1, 2, 4, 8, 16, 32, 64$"
    ) as raised:
        architectures.sizes(model, IMAGES, 10)
    assert raised.value.args[1] == "cardinality"


def test_a_field_that_a_family_needs_is_never_guessed(make_model) -> None:
    model = make_model("resnet").model_copy(update={"residual_scale": None})
    with pytest.raises(ValueError, match=r"resnet \(cnn\) needs it") as raised:
        architectures.build(model, IMAGES, 10)
    assert raised.value.args[1] == "residual_scale"


@pytest.mark.parametrize(
    ("architecture", "changes", "key"),
    [
        ("densenet", {"kind": "mlp"}, "kind"),
        ("densenet", {"depth": 16, "small": True}, "layout"),
        ("highway", {"layout": "imagenet"}, "layout"),
        ("skipinit", {"normalization": "batch"}, "normalization"),
        ("fixup", {"normalization": "layer", "initialisation": "fixup"}, "normalization"),
        ("fixup", {"normalization": "none"}, "initialisation"),
    ],
)
def test_what_a_family_cannot_be_is_refused_by_name(make_model, architecture: str, changes: dict, key: str) -> None:
    changes = dict(changes)
    shape = (3, 2, 2) if changes.pop("small", False) else IMAGES
    with pytest.raises(ValueError, match=r"found .*allowed") as raised:
        architectures.sizes(make_model(architecture, **changes), shape, 10)
    assert raised.value.args[1] == key
