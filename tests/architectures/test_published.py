"""Parameter counts that the papers print, or that follow from the authors' code."""

import pytest

from skipray import architectures

SHAPE = (3, 32, 32)


def count(model) -> int:
    return architectures.sizes(model, SHAPE, 10).parameters


@pytest.mark.parametrize(
    ("depth", "millions", "digits"),
    [(20, 0.27, 2), (32, 0.46, 2), (44, 0.66, 2), (56, 0.85, 2), (110, 1.7, 1), (1202, 19.4, 1)],
)
def test_resnets_on_cifar(make_model, depth: int, millions: float, digits: int) -> None:
    """He et al. 2015, table 6."""
    assert round(count(make_model("resnet", depth=depth)) / 1e6, digits) == pytest.approx(millions, abs=0.011)


@pytest.mark.parametrize("architecture", ["plainnet", "resnet"])
def test_the_papers_164_layers_are_basic_blocks(make_model, architecture: str) -> None:
    """Option A adds no parameters, so a PlainNet has exactly its ResNet's."""
    assert count(make_model(architecture, depth=164)) == 2_602_906


def test_bottleneck_164(make_model) -> None:
    """He et al. 2016, table 4: 1.7 M."""
    assert count(make_model("resnet", depth=164, block="bottleneck", shortcut="B")) == 1_704_154


def test_resnext_164(make_model) -> None:
    assert count(make_model("resnext", depth=164, cardinality=4, group_width=8, shortcut="B")) == 2_475_354


@pytest.mark.parametrize(("depth", "millions"), [(164, 1.7), (1001, 10.2)])
def test_preactivation_resnets(make_model, depth: int, millions: float) -> None:
    """He et al. 2016, table 4; its 10.2 M of 10.33 M is cut, not rounded."""
    found = count(make_model("preresnet", depth=depth, block="bottleneck", shortcut="B")) / 1e6
    assert found == pytest.approx(millions, rel=0.015)


@pytest.mark.parametrize(("cardinality", "millions"), [(8, 34.4), (16, 68.1)])
def test_resnext_29(make_model, cardinality: int, millions: float) -> None:
    """Xie et al. 2017, table 7; its 68.1 M of 68.155 M is cut, not rounded."""
    model = make_model("resnext", depth=29, width=64, cardinality=cardinality, group_width=64, shortcut="B")
    assert count(model) // 100_000 / 10 == millions


@pytest.mark.parametrize(("depth", "growth_rate", "millions"), [(100, 12, 0.8), (190, 40, 25.6)])
def test_densenet_bc(make_model, depth: int, growth_rate: int, millions: float) -> None:
    """Huang et al. 2017, table 2."""
    model = make_model("densenet", depth=depth, growth_rate=growth_rate, width=2 * growth_rate)
    assert round(count(model) / 1e6, 1) == millions


def test_resnext_matches_resnet_within_a_few_per_cent(make_model) -> None:
    """The widths that the sweeps use for twins of equal size."""
    connected = {"kind": "mlp", "depth": 110, "width": 64}
    pairs = [
        (make_model("resnext", **connected, group_width=20), make_model("resnet", **connected), 0.035),
        (make_model("resnext", **connected, group_width=21), make_model("resnet", **connected), 0.025),
        (make_model("resnext", depth=110, shortcut="B"), make_model("resnet", depth=110), 0.05),
    ]
    for resnext, resnet, tolerance in pairs:
        assert count(resnext) == pytest.approx(count(resnet), rel=tolerance)
