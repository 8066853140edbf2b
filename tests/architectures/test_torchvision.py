"""ImageNet layouts against torchvision's own models: parameter counts, and outputs for the same weights."""

import re

import pytest
import torch
import torchvision

from skipray import architectures

MODELS = {
    "resnet18": ("resnet", 18, {"block": "basic"}),
    "resnet34": ("resnet", 34, {"block": "basic"}),
    "resnet50": ("resnet", 50, {"block": "bottleneck"}),
    "resnet101": ("resnet", 101, {"block": "bottleneck"}),
    "resnet152": ("resnet", 152, {"block": "bottleneck"}),
    "resnext50_32x4d": ("resnext", 50, {"cardinality": 32, "group_width": 4}),
    "resnext101_32x8d": ("resnext", 101, {"cardinality": 32, "group_width": 8}),
    "densenet121": ("densenet", 121, {"growth_rate": 32}),
    "densenet169": ("densenet", 169, {"growth_rate": 32}),
    "densenet201": ("densenet", 201, {"growth_rate": 32}),
}


def spec_of(make_model, name: str):
    architecture, depth, changes = MODELS[name]
    return make_model(architecture, depth=depth, width=64, layout="imagenet", shortcut="B", **changes)


@pytest.mark.parametrize("name", MODELS)
def test_parameter_counts(make_model, name: str) -> None:
    with torch.device("meta"):
        reference = torchvision.models.get_model(name, weights=None)
    expected = sum(p.numel() for p in reference.parameters())
    assert architectures.sizes(spec_of(make_model, name), (3, 224, 224), 1000).parameters == expected


def our_name(theirs: str, blocks_before_stage: list[int]) -> str:
    """`layer2.0.downsample.1.weight` -> `blocks.3.shortcut.norm.weight`, and so on."""
    if theirs.startswith("fc."):
        return theirs.replace("fc.", "classifier.")
    stem = re.fullmatch(r"(conv|bn)1\.(.*)", theirs)
    if stem:
        return f"stem.conv.{stem[2]}" if stem[1] == "conv" else f"stem.activated.norm.{stem[2]}"
    inside = re.fullmatch(r"layer(\d)\.(\d+)\.(.*)", theirs)
    assert inside is not None
    rest = (
        inside[3]
        .replace("downsample.0", "shortcut.conv")
        .replace("downsample.1", "shortcut.norm")
        .replace("bn", "norm")
    )
    return f"blocks.{blocks_before_stage[int(inside[1]) - 1] + int(inside[2])}.{rest}"


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50_32x4d"])
def test_outputs_for_the_same_weights(make_model, name: str) -> None:
    torch.manual_seed(0)
    reference = torchvision.models.get_model(name, weights=None, num_classes=13)
    for module in reference.modules():  # so that no normalization is the identity
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.1)
    counts = [len(stage) for stage in (reference.layer1, reference.layer2, reference.layer3, reference.layer4)]
    before = [sum(counts[:i]) for i in range(4)]
    ours = architectures.build(spec_of(make_model, name), (3, 64, 64), 13, seed=0)
    state = {our_name(key, before): value for key, value in reference.state_dict().items()}
    ours.load_state_dict(state)
    images = torch.randn(2, 3, 64, 64)
    for network in (ours, reference):
        network.eval()
    with torch.no_grad():
        torch.testing.assert_close(ours(images), reference(images), rtol=1e-4, atol=1e-5)
    for network in (ours, reference):
        network.train()
    with torch.no_grad():
        torch.testing.assert_close(ours(images), reference(images), rtol=1e-3, atol=1e-4)
