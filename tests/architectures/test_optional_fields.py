"""Stochastic depth, dropout, LayerScale, widths by layer and the looks-linear start, against what their papers say."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from skipray import architectures
from skipray.architectures.building.measured import measured_sizes
from skipray.extension import catalog
from skipray.spec import ModelSpec, SpecError
from skipray.spec.reader import sweep_of

SHAPE = (1, 8, 8)
QUICKSTART = yaml.safe_load((Path(__file__).parents[2] / "sweeps" / "quickstart.yaml").read_text())
MLP = {"kind": "mlp", "depth": 8, "width": 12}


def built(model: ModelSpec, shape: tuple[int, ...] = SHAPE) -> Any:
    return architectures.build(model, shape, 10, seed=3)


def sweep(factors: dict[str, list[Any]], **model: Any) -> Any:
    fields = QUICKSTART["model"] | model
    recipe = QUICKSTART["recipe"] | {"weight_decay": 1e-4}  # PyYAML reads 1e-4 as a text
    return sweep_of(QUICKSTART | {"recipe": recipe, "model": fields, "factors": {"depth": [8]} | factors, "seeds": [0]})


@pytest.mark.parametrize(
    ("architecture", "changes"),
    [
        ("resnet", MLP | {"layer_scale": 1e-4}),
        ("resnet", {"layer_scale": 0.1, "depth": 14, "width": 4, "dropout": 0.2, "shortcut": "B"}),
        ("preresnet", {"layer_scale": 0.1, "depth": 14, "width": 4, "stochastic_depth": 0.5}),
        ("plainnet", MLP | {"dropout": 0.5, "normalization": "none", "activation": "tanh"}),
        ("plainnet", MLP | {"dropout": 0.5, "activation": "linear"}),
        ("preresnet", MLP | {"dropout": 0.5, "activation": "linear"}),
        ("skipinit", MLP | {"dropout": 0.5, "normalization": "none", "widths": (12, 6)}),
        ("plainnet", MLP | {"widths": (12, 4, 6)}),
        ("resnet", MLP | {"widths": (12, 4, 6), "layer_scale": 0.5}),
        ("preresnet", MLP | {"widths": (12, 6), "activation": "linear"}),
        ("resnext", MLP | {"widths": (12, 8, 20), "cardinality": 2, "group_width": 3, "dropout": 0.1}),
    ],
)
def test_counts_are_torchs(make_model, architecture: str, changes: dict[str, Any]) -> None:
    model = make_model(architecture, **changes)
    family = catalog.find("architectures", architecture)
    assert family.sizes(model, SHAPE, 10) == measured_sizes(lambda: family.build(model, SHAPE, 10), SHAPE)


def test_branches_are_left_out_with_huangs_probabilities(make_model) -> None:
    net = built(make_model("resnet", **MLP, stochastic_depth=0.6)).train()
    assert [block.drop.p for block in net.blocks] == pytest.approx([0.2, 0.4, 0.6])
    torch.manual_seed(0)
    x = torch.rand(4, 12)
    block, outs = net.blocks[2], []
    for _ in range(400):
        added = block(x)
        outs.append(torch.equal(added, torch.relu(x)))  # of a whole batch at once
    assert sum(outs) / len(outs) == pytest.approx(0.6, abs=0.08)  # 3 standard errors
    kept = next(h for h in (block(x) for _ in range(100)) if not torch.equal(h, torch.relu(x)))
    parts = [block.norm1, block.norm2]
    branch = parts[1](block.linear2(torch.relu(parts[0](block.linear1(x)))))
    torch.testing.assert_close(kept, torch.relu(x + branch / 0.4))
    net.eval()
    assert torch.equal(net(torch.ones(3, 1, 8, 8)), net(torch.ones(3, 1, 8, 8)))


def test_dropout_lies_before_each_blocks_last_layer(make_model) -> None:
    for architecture in ("plainnet", "resnet", "preresnet"):
        net = built(make_model(architecture, **MLP, dropout=0.75, normalization="none")).train()
        seen: list[torch.Tensor] = []
        for name in ("linear1", "linear2"):
            net.blocks[1].get_submodule(name).register_forward_hook(lambda m, args, out, to=seen: to.append(args[0]))
        torch.manual_seed(0)
        net(torch.randn(64, 1, 8, 8))
        before, last = ((h == 0).float().mean().item() for h in seen)
        assert last > 0.75 - 0.05 > before


def test_layer_scale_multiplies_each_branch(make_model) -> None:
    for kind in ({"kind": "mlp", "depth": 8, "width": 12}, {"depth": 8, "width": 4}):
        net = built(make_model("preresnet", **kind, layer_scale=0.125)).eval()
        plain = built(make_model("preresnet", **kind)).eval()
        x = torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(1))
        h = net.stem(x.flatten(1) if net.is_flat else x)
        torch.testing.assert_close(net.blocks[0](h) - h, 0.125 * (plain.blocks[0](h) - h))
        assert net.blocks[0].scale.factors.requires_grad
        assert net.hidden_layers()[1].branch is net.blocks[0].scale


def test_widths_take_equal_stretches_and_skips_project_where_they_differ(make_model) -> None:
    plain = built(make_model("plainnet", **MLP, widths=(12, 4)))
    assert [m.out_features for m in plain.modules() if isinstance(m, nn.Linear)] == [12, 12, 12, 4, 4, 4, 4, 10]
    residual = built(make_model("resnet", **MLP, widths=(12, 4)))
    assert [type(block.shortcut).__name__ for block in residual.blocks] == [
        "Identity",
        "ProjectionShortcut",
        "Identity",
    ]
    assert residual(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


@pytest.mark.parametrize("changes", [MLP, {"depth": 14, "width": 4}, MLP | {"widths": (12, 6)}])
@pytest.mark.parametrize("architecture", ["plainnet", "preresnet"])
def test_looks_linear_is_a_linear_map_and_keeps_its_gain(make_model, architecture: str, changes: dict) -> None:
    """f(a x + b y) = a f(x) + b f(y), which no ReLU network of another start fulfils."""
    net, other = (
        built(make_model(architecture, **changes, normalization="none", initialisation=scheme)).double().eval()
        for scheme in ("looks_linear", "he_normal")
    )
    x, y = torch.randn(2, 5, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(net(2 * x - 3 * y), 2 * net(x) - 3 * net(y))
    assert (other(2 * x - 3 * y) - 2 * other(x) + 3 * other(y)).abs().max() > 0.1
    if architecture == "plainnet" and changes is MLP:
        reads = net.blocks[1].linear1.weight[::2, ::2]  # W, once
        torch.testing.assert_close(reads @ reads.T, torch.eye(6, dtype=torch.float64), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("factors", "model", "said"),
    [
        ({"architecture": ["highway"]}, {"dropout": 0.1}, "found 0.1, which highway (mlp) does not have"),
        (
            {"architecture": ["resnet"], "layer_scale": [0.1]},
            {"residual_scale": 2.0},
            "found 0.1 beside the residual_scale",
        ),
        ({"architecture": ["skipinit"]}, {"layer_scale": 0.1, "normalization": "none"}, "skipinit (mlp) does not have"),
        ({"architecture": ["plainnet"]}, {"widths": [32, 64]}, "found the first width 32 beside the width 64"),
        (
            {"architecture": ["plainnet"]},
            {"widths": [64, 8, 8, 8, 8]},
            "found 5 widths; allowed at this depth: at most 4",
        ),
        ({"architecture": ["resnet"]}, {"initialisation": "looks_linear"}, "found looks_linear with resnet"),
        ({"architecture": ["plainnet"]}, {"initialisation": "looks_linear", "activation": "tanh"}, "allowed: relu"),
        ({"architecture": ["resnet"]}, {"stochastic_depth": 1.0}, "found 1.0; allowed: a number above 0"),
    ],
)
def test_what_means_nothing_is_refused_by_name(factors: dict, model: dict, said: str) -> None:
    with pytest.raises(SpecError, match=re.escape(said)):
        sweep(factors, **model)


def test_a_plain_twin_goes_without_what_belongs_to_skips_and_keeps_its_id() -> None:
    wide = sweep({"architecture": ["plainnet", "resnet"], "stochastic_depth": [0.2], "dropout": [0.1, 0.2]})
    groups = [cell.cell.group.label for cell in wide.cells]
    assert groups == [
        *(f"plainnet dropout={p}" for p in (0.1, 0.2)),
        *(f"resnet stochastic_depth=0.2 dropout={p}" for p in (0.1, 0.2)),
    ]
    plain = sweep({"architecture": ["plainnet"]}).cells[0].trial_id
    assert sweep({"architecture": ["plainnet"]}, layer_scale=0.1).cells[0].trial_id == plain


def test_widths_may_be_a_factor() -> None:
    found = sweep({"architecture": ["plainnet"], "widths": [[64, 16], [64, 32]]})
    assert [cell.cell.group.label for cell in found.cells] == ["plainnet widths=64,16", "plainnet widths=64,32"]
