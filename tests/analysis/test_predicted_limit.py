"""One trainable depth per group by theory: the published values, the same numbers for one's own activation, and silence
where no formula holds."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skipray import activations, theory
from skipray.analysis import predicted_limit
from skipray.analysis.predicted_limit import PredictedLimit
from skipray.launch import run
from skipray.spec import ModelSpec, Recipe, load_sweep

RECIPE = Recipe.model_validate(
    {"epochs": 1, "batch_size": 32, "learning_rate": 0.01, "momentum": 0.9, "weight_decay": 0, "schedule": "constant",
     "augmentation": "none"}
)  # fmt: skip


def _found(batch: int = 32, **fields: object) -> PredictedLimit:
    usual = {
        "architecture": "plainnet",
        "depth": 20,
        "kind": "mlp",
        "width": 100,
        "normalization": "none",
        "initialisation": "lecun_normal",
        "activation": "tanh",
    }
    recipe = RECIPE.model_copy(update={"batch_size": batch})
    return predicted_limit.predicted_limit(ModelSpec.model_validate({**usual, **fields}), recipe)


@pytest.mark.parametrize(("gain", "depth"), [(1.0, 22), (1.3, 47), (2.5, 71), (4.0, 42)])
def test_six_xi_c_of_a_sweep(gain: float, depth: int) -> None:
    """Schoenholz et al. 2017, sigma_b^2 = .05; orthogonal weights have the same maps."""
    for scheme in ("lecun_normal", "orthogonal"):
        found = _found(initialisation=scheme, weight_gain=gain, bias_variance=0.05)
        assert found.words == str(depth), scheme
        assert found.rule == "6 xi_c"


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"activation": "relu", "initialisation": "he_normal"}, "unlimited"),
        ({"activation": {"name": "leaky_relu", "slope": 0.3}, "initialisation": "orthogonal"}, "unlimited"),
        ({"activation": {"name": "tailored_leaky_relu", "eta": 0.9}}, "unlimited"),
        ({"activation": "relu", "initialisation": "lecun_normal"}, "none"),  # half the signal in each layer
        ({"activation": "relu", "initialisation": "lecun_normal", "bias_variance": 0.1}, "finite"),
        ({"initialisation": "dirac"}, "none"),
        ({"initialisation": "mine:scheme"}, "none"),
        ({"architecture": "mine:net"}, "none"),
        ({"dropout": 0.1}, "none"),
        ({"normalization": "batch", "initialisation": "dirac"}, "none"),
        ({"normalization": "layer"}, "finite"),
        ({"normalization": "layer", "activation": "relu"}, "unlimited"),  # critical
        ({"kind": "cnn", "normalization": "batch"}, "finite"),
        ({"architecture": "resnet", "residual_scale": 1}, "finite"),
        ({"architecture": "resnet", "residual_scale": 1, "weight_gain": 2}, "finite"),
        (
            {"architecture": "resnet", "residual_scale": 1, "activation": "relu", "initialisation": "he_normal"},
            "finite",
        ),
        ({"architecture": "resnet", "residual_scale": 1, "activation": "relu", "normalization": "batch"}, "finite"),
        ({"architecture": "resnet", "residual_scale": 1, "normalization": "batch"}, "finite"),
        ({"architecture": "resnet", "residual_scale": "inverse_sqrt_depth", "activation": "relu"}, "unlimited"),
        ({"architecture": "resnet", "residual_scale": "learned", "activation": "relu"}, "unlimited"),
        ({"architecture": "resnet", "residual_scale": 1, "stochastic_depth": 0.2}, "none"),
        ({"architecture": "resnet", "residual_scale": 1, "initialisation": "dirac"}, "none"),
        (
            {
                "architecture": "resnext",
                "residual_scale": 1,
                "activation": "relu",
                "initialisation": "he_normal",
                "cardinality": 4,
                "group_width": 8,
            },
            "finite",
        ),
        ({"architecture": "preresnet", "residual_scale": 1}, "finite"),
        ({"architecture": "preresnet", "residual_scale": "inverse_sqrt_depth"}, "unlimited"),
        ({"architecture": "preresnet", "residual_scale": 1, "normalization": "batch"}, "unlimited"),
        ({"architecture": "preresnet", "residual_scale": 1, "layer_scale": 0.01}, "unlimited"),
        ({"architecture": "fixup", "initialisation": "fixup", "activation": "relu"}, "unlimited"),
        ({"architecture": "highway"}, "none"),
        ({"architecture": "transformer"}, "unlimited"),
        ({"architecture": "transformer", "options": {"norm": "post"}}, "none"),
        ({"architecture": "transformer", "options": {"norm": "post", "deepnorm": True}}, "unlimited"),
        ({"architecture": "transformer", "options": {"attention_skip": False, "mlp": False}}, "none"),
    ],
)
def test_what_is_predicted_and_what_is_not(fields: dict[str, object], verdict: str) -> None:
    found = _found(**fields)
    assert found.verdict == verdict, found
    assert found.premise, "every prediction says where it holds, every silence why"
    assert (found.depth is None) == (found.source == "")


def test_gradients_of_batch_norm_at_the_batch_that_is_normalised() -> None:
    found = _found(normalization="batch", activation="relu")
    assert found.depth == pytest.approx(theory.batch_norm_explosion_depth(1e3, 32))
    assert found.far_depth == pytest.approx(2 * theory.batch_norm_explosion_depth(1e3, 32))
    assert _found(4, normalization="batch").verdict == "none", "below the smallest batch"
    pieces = RECIPE.model_copy(update={"gradient_accumulation": 4})
    model = ModelSpec.model_validate(
        {"architecture": "plainnet", "depth": 20, "kind": "mlp", "width": 100, "normalization": "batch",
         "initialisation": "he_normal", "activation": "relu"}
    )  # fmt: skip
    assert predicted_limit.predicted_limit(model, pieces).depth == pytest.approx(
        theory.batch_norm_explosion_depth(1e3, 8)
    )


@settings(max_examples=12, deadline=None)
@given(slope=st.floats(0, 0.95), batch=st.integers(8, 200))
def test_smaller_batches_and_sharper_kinks_never_go_deeper(slope: float, batch: int) -> None:
    activation = {"name": "leaky_relu", "slope": slope}
    found = [_found(b, normalization="batch", activation=activation).depth for b in (batch, 2 * batch)]
    assert found[0] is not None
    assert found[1] is not None
    assert found[0] <= found[1]
    relu = _found(batch, normalization="batch", activation="relu").depth
    assert relu is not None
    assert relu <= found[0] + 1e-9


@settings(max_examples=8, deadline=None)
@given(gain=st.floats(0.3, 1.6))
def test_ordered_tanh_goes_deeper_the_nearer_to_the_critical_gain(gain: float) -> None:
    critical = theory.critical_weight_gain("tanh", 0.05)
    near = _found(weight_gain=(gain + critical) / 2, bias_variance=0.05).depth
    far = _found(weight_gain=gain, bias_variance=0.05).depth
    assert far is not None
    assert near is not None
    assert far < near


def test_residual_blocks_pass_a_gradient_growth_where_the_recursion_does() -> None:
    found = _found(architecture="preresnet", residual_scale=2, activation="tanh", weight_gain=4)
    assert found.finite
    blocks = (found.depth - 2) / 2  # type: ignore[operator]
    after = [
        theory.residual_field(n, "tanh", 4, residual_scale=2, layers=2).squared_gradient[0]
        for n in (math.floor(blocks), math.ceil(blocks))
    ]
    assert after[0] <= 1e6 <= after[1], "the norm's square grows by 1e6"
    doubling = _found(architecture="preresnet", residual_scale=1, activation="relu", initialisation="he_normal")
    assert doubling.depth == pytest.approx(2 + 2 * 6 / math.log10(2)), "a block of He-ReLU layers doubles the square"


def test_ones_own_activation_is_integrated_and_a_broken_one_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "curved.py").write_text(
        "import torch\n"
        "def same(x):\n    return torch.tanh(x)\n"
        "def mixes(x):\n    return torch.softmax(x, -1)\n"
        "def breaks(x):\n    raise RuntimeError('bad luck')\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    named = _found(weight_gain=1.3, bias_variance=0.05)
    own = _found(weight_gain=1.3, bias_variance=0.05, activation="curved:same")
    assert own.depth == pytest.approx(named.depth, rel=1e-6)
    assert "entry by entry" in _found(activation="curved:mixes").premise
    assert "bad luck" in _found(activation="curved:breaks").premise


@pytest.mark.parametrize(
    "activation",
    ["gelu", {"name": "leaky_relu", "slope": 0.2}, {"name": "elu", "alpha": 0.7}, {"name": "sine", "frequency": 2.0},
     {"name": "tailored_leaky_relu", "eta": 0.9}],
    ids=str,
)  # fmt: skip
def test_the_arrays_of_an_activation_are_those_of_its_tensors(activation: object) -> None:
    x = np.linspace(-3, 3, 8)
    arrays = activations.pointwise(activation, 20)  # type: ignore[arg-type]
    at = torch.tensor(x, requires_grad=True)
    value = activations.make(activation, 20)(at * 1.0)  # type: ignore[arg-type]
    (slope,) = torch.autograd.grad(value.sum(), at)
    assert arrays.value(x) == pytest.approx(value.detach().numpy(), abs=1e-12)
    assert arrays.slope(x) == pytest.approx(slope.numpy(), abs=1e-12)


def test_every_group_of_the_shipped_sweeps_has_an_answer() -> None:
    for path in sorted((Path(__file__).parents[2] / "sweeps").glob("*.yaml")):
        sweep = load_sweep(path)
        found = predicted_limit.of_groups(sweep)
        assert tuple(found) == sweep.groups
        for limit in found.values():
            assert limit.premise
            assert limit.depth is None or limit.depth > 1


def test_plan_and_theory_show_it(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    assert run(["plan", "yang2019-small", "--offline"]) == 0
    out = capsys.readouterr().out
    assert "24 to 48" in out
    assert "1,734 to 3,468" in out
    assert run(["theory", "yang2019-small", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["predicted_limits"]
    assert {(r["activation"], r["batch_size"]): round(r["depth"]) for r in rows}["linear", 32] == 408
