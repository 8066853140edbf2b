"""Which closed form holds for which network: against networks of random matrices, and what no formula covers."""

import json
from pathlib import Path

import numpy as np
import pytest

from skipray import theory
from skipray.analysis import predictions
from skipray.launch import main
from skipray.spec import ModelSpec, load_sweep

N, WIDTH, DEPTH = 256, 64, 20
BLOCKS = (DEPTH - 2) // 2


def _model(**fields) -> ModelSpec:
    usual = {
        "architecture": "plainnet",
        "depth": DEPTH,
        "kind": "mlp",
        "width": WIDTH,
        "normalization": "none",
        "initialisation": "he_normal",
        "activation": "linear",
    }
    return ModelSpec(**{**usual, **fields})


def _hidden(model: ModelSpec, seed: int) -> list[np.ndarray]:
    """Hidden representations of a fully connected network at initialisation, written out: stem, then blocks."""
    rng = np.random.default_rng(seed)
    act = (lambda x: np.maximum(x, 0)) if model.activation == "relu" else (lambda x: x)
    variance = 2.0 if model.initialisation == "he_normal" else 1.0

    def weight():
        return rng.standard_normal((WIDTH, WIDTH)) * np.sqrt(variance / WIDTH)

    bare = model.architecture == "preresnet"
    h = rng.standard_normal((N, WIDTH)) @ weight()
    out = [h if bare else act(h)]
    scale = 1.0 if model.residual_scale == 1 else BLOCKS**-0.5
    for _ in range(BLOCKS):
        h = out[-1]
        if model.architecture == "plainnet":
            h = act(act(h @ weight()) @ weight())
        elif bare:
            h = h + scale * act(act(h) @ weight()) @ weight()
        else:
            h = act(h + scale * act(h @ weight()) @ weight())
        out.append(h)
    return out


def _participation(h: np.ndarray) -> float:
    s = np.linalg.svd(h, compute_uv=False) ** 2
    return float(s.sum() ** 2 / (s**2).sum())


def _cosine(h: np.ndarray) -> float:
    unit = h / np.linalg.norm(h, axis=1, keepdims=True)
    return float((np.linalg.norm(unit.sum(axis=0)) ** 2 - N) / (N * (N - 1)))


def _log10_condition(h: np.ndarray) -> float:
    s = np.linalg.svd(h, compute_uv=False)
    return float(np.log10(s[0] / s[-1]))


def _of(model: ModelSpec, key: str, start: dict[str, float] | None = None) -> np.ndarray:
    found = {p.key: p for p in predictions.predict(model, N, start)}
    assert found[key].layer_index == tuple(range(BLOCKS + 1))
    return np.array(found[key].value)


@pytest.mark.parametrize(
    ("fields", "key", "measure", "within"),
    [
        ({}, "hidden.participation_ratio", _participation, 0.15),
        ({"initialisation": "lecun_normal"}, "hidden.participation_ratio", _participation, 0.15),
        ({"architecture": "resnet", "residual_scale": 1}, "hidden.participation_ratio", _participation, 0.15),
        (
            {"architecture": "preresnet", "residual_scale": "inverse_sqrt_depth"},
            "hidden.participation_ratio",
            _participation,
            0.1,
        ),
        ({"activation": "relu"}, "hidden.mean_cosine", _cosine, 0.06),
        (
            {"activation": "relu", "architecture": "preresnet", "residual_scale": 1},
            "hidden.mean_cosine",
            _cosine,
            0.15,
        ),
    ],
)
def test_predictions_against_networks_written_out(fields, key, measure, within) -> None:
    model = _model(**fields)
    measured = np.array([[measure(h) for h in _hidden(model, seed)] for seed in range(20)]).mean(axis=0)
    anchored = _of(model, key, {key: measured[0]})
    alone = _of(model, key)
    assert anchored[0] == pytest.approx(measured[0], rel=1e-6)
    assert alone[0] == pytest.approx(measured[0], abs=0.05 * max(1.0, measured[0]))
    assert np.abs(anchored[1:] / measured[1:] - 1).max() < within


def test_condition_of_a_plain_linear_network_grows_as_predicted() -> None:
    model = _model(depth=8)
    measured = np.median([[_log10_condition(h) for h in _hidden(model, seed)[:3]] for seed in range(40)], axis=0)
    found = {p.key: p for p in predictions.predict(model, N, {"hidden.log10_condition": measured[0]})}
    assert found["hidden.log10_condition"].value[1:3] == pytest.approx(measured[1:], rel=0.08)


def test_gradients_are_counted_from_the_last_layer() -> None:
    model = _model(normalization="batch", activation="relu", depth=164)
    found = {p.key: p for p in predictions.predict(model, N, {"output_gradient.gradient_norm": 0.5})}
    value = found["output_gradient.gradient_norm"].value
    assert value[-1] == 0.5
    assert value[0] / value[-1] == pytest.approx(theory.batch_norm_squared_gradient_growth(256) ** 81, rel=1e-6)
    deep = {p.key: p for p in predictions.predict(_model(normalization="batch", activation="relu", depth=10_000), N)}
    assert np.isfinite(deep["output_gradient.gradient_norm"].value).all()


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "cnn", "block": "basic", "layout": "cifar"},
        {"initialisation": "orthogonal"},
        {"activation": "tanh"},
        {"architecture": "resnext", "cardinality": 2, "group_width": 8, "residual_scale": 1},
        {"architecture": "highway"},
    ],
)
def test_what_no_formula_covers_is_not_predicted(fields) -> None:
    assert predictions.predict(_model(**fields), N) == ()


def test_a_residual_block_without_its_branch_changes_nothing() -> None:
    model = _model(architecture="preresnet", residual_scale="learned", activation="relu")
    assert set(_of(model, "hidden.mean_cosine", {"hidden.mean_cosine": 0.3})) == {0.3}


def test_verb(capsys) -> None:
    path = Path(__file__).parents[2] / "sweeps" / "theory.yaml"
    with pytest.raises(SystemExit) as leaving:
        main(["theory", str(path), "--json"])
    assert leaving.value.code == 0
    rows = json.loads(capsys.readouterr().out)["predictions"]
    fields = ("architecture", "depth", "normalization", "activation", "residual_scale")
    assert len({tuple(r[f] for f in fields) for r in rows}) == len(load_sweep(path).cells)
    one = [r for r in rows if r["key"] == "hidden.log10_condition" and r["depth"] == 8]
    assert one[0]["predicted"] == pytest.approx(7 * 1.1756, rel=0.01)
    with pytest.raises(SystemExit) as leaving:
        main(["theory", "--depth", "64", "--width", "64"])
    assert leaving.value.code == 0
    assert "75.23" in capsys.readouterr().out
    for wrong in ([], ["--depth", "3"], ["--depth", "0", "--width", "4"]):
        with pytest.raises(SystemExit) as leaving:
            main(["theory", *wrong])
        assert leaving.value.code == 2
        assert "allowed" in capsys.readouterr().err
