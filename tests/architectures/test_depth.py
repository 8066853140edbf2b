import pytest

from skipray import architectures
from skipray.architectures.building.depth import LinearRule, tabled
from skipray.extension import catalog

CIFAR_SHAPE = (3, 32, 32)


@pytest.mark.parametrize(
    ("step", "offset", "depth", "n"), [(6, 2, 20, 3), (9, 2, 164, 18), (1, 2, 3, 1), (6, 4, 100, 16)]
)
def test_a_valid_depth_gives_n(step: int, offset: int, depth: int, n: int) -> None:
    assert LinearRule(step, offset).count(depth, "it") == n


@pytest.mark.parametrize(
    ("step", "offset", "depth", "near"),
    [
        (6, 2, 21, "20 and 26"),
        (9, 2, 30, "29 and 38"),
        (6, 2, 1, "8 and 14"),
        (6, 2, 7, "8 and 14"),
        (6, 4, 4, "10 and 16"),
    ],
)
def test_an_impossible_depth_names_the_nearest(step: int, offset: int, depth: int, near: str) -> None:
    with pytest.raises(
        ValueError, match=f"found the depth {depth}; allowed for it: {step}n .* nearest are {near}"
    ) as raised:
        LinearRule(step, offset).count(depth, "it")
    assert raised.value.args[1] == "depth"


def test_a_table_names_all_its_depths_nearest_first() -> None:
    with pytest.raises(ValueError, match="found the depth 49; allowed for it: 50, 34, 101"):
        tabled(49, {34: 1, 50: 2, 101: 3}, "it")


@pytest.mark.parametrize("architecture", ["plainnet", "resnet", "resnext"])
@pytest.mark.parametrize("depth", range(20, 165, 18))
def test_convolutional_twins_match_at_18k_plus_2(make_model, architecture: str, depth: int) -> None:
    model = make_model(architecture, depth=depth)
    catalog.find("architectures", architecture).check(model, CIFAR_SHAPE, 10)


@pytest.mark.parametrize("architecture", ["plainnet", "resnet", "resnext"])
@pytest.mark.parametrize("depth", [8, 14, 20, 38, 56, 74, 110, 164])
def test_connected_twins_match_at_6k_plus_2(make_model, architecture: str, depth: int) -> None:
    model = make_model(architecture, kind="mlp", depth=depth)
    catalog.find("architectures", architecture).check(model, (1, 8, 8), 10)


@pytest.mark.parametrize(
    ("architecture", "changes", "near"),
    [
        ("plainnet", {"depth": 21}, "20 and 26"),
        ("resnet", {"depth": 22}, "20 and 26"),
        ("resnet", {"depth": 30, "block": "bottleneck"}, "29 and 38"),
        ("resnext", {"depth": 30}, "29 and 38"),
        ("preresnet", {"depth": 165}, "164 and 170"),
        ("densenet", {"depth": 101}, "100 and 106"),
        ("highway", {"depth": 19}, "17 and 20"),
        ("resnet", {"depth": 9, "kind": "mlp"}, "8 and 10"),
        ("resnext", {"depth": 10, "kind": "mlp"}, "8 and 11"),
    ],
)
def test_every_family_refuses_what_it_cannot_have(make_model, architecture: str, changes: dict, near: str) -> None:
    with pytest.raises(ValueError, match=near) as raised:
        architectures.sizes(make_model(architecture, **changes), CIFAR_SHAPE, 10)
    assert raised.value.args[1] == "depth"


@pytest.mark.parametrize(
    ("depth", "block", "near"),
    [(50, "basic", "34, 18"), (34, "bottleneck", "50, 101, 152"), (200, "bottleneck", "152, 101")],
)
def test_imagenet_depths_belong_to_their_blocks(make_model, depth: int, block: str, near: str) -> None:
    model = make_model("resnet", depth=depth, block=block, layout="imagenet", shortcut="B")
    with pytest.raises(ValueError, match=near):
        architectures.sizes(model, (3, 224, 224), 1000)
