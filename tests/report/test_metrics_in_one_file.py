"""A metric is one file: its key, aggregates, trend, figure, bounds and documentation follow from it."""

import runpy
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from skipray import architectures, metrics
from skipray.analysis.followed_metrics import trend_metrics
from skipray.extension import catalog
from skipray.metrics import page, singularity, table
from skipray.probe import measure
from skipray.probe.generalization import generalization_measures
from skipray.report import metric_figures
from skipray.report.groups import lay_out
from skipray.spec import ModelSpec, ProbeSpec, SpecError, load_sweep
from skipray.tracking.write.views import saved_view

LAYER = '''\
"""The sum of all singular values."""

from skipray.metrics import Headline, LayerMetric

METRIC = LayerMetric(
    key="nuclear_norm", definition="sum of s", source="Fazel 2002", axis="nuclear norm", low=0.0, reads="spectrum",
    headlines=(Headline(tensor="hidden", aggregates=("last", "min"), trends=("last",), listed=("last",)),),
)


def measure(spectra):
    return spectra.values.sum(1)
'''
NETWORK = '''\
"""How large the scores are."""

from skipray.metrics import NetworkMetric

METRIC = NetworkMetric(
    key="score.rms", definition="root mean square of the scores", source="ours", axis="size of the scores", low=0.0,
    trends=("",), needs_classes=False,
)


def measure(network):
    return float(network.scores.double().square().mean().sqrt())
'''
SPLIT = '''\
"""Whether the label is among the three largest scores."""

from skipray.metrics import SplitMetric

METRIC = SplitMetric(
    key="top3_accuracy", definition="share of the samples whose label has one of the three largest scores",
    source="ours", axis="top-3 accuracy", low=0.0, high=1.0, trends=("test",),
)


def measure(batch):
    return (batch.scores.topk(3, 1).indices == batch.targets[:, None]).any(1).sum()
'''


@pytest.fixture
def added(tmp_path, monkeypatch):
    """The folder of metrics with three files more."""
    for name, text in (("nuclear_norm", LAYER), ("score_rms", NETWORK), ("top3_accuracy", SPLIT)):
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setattr(metrics, "__path__", [*metrics.__path__, str(tmp_path)])
    caches = (catalog.names, metrics.find)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()
    for name in ("nuclear_norm", "score_rms", "top3_accuracy"):
        sys.modules.pop(f"skipray.metrics.{name}", None)
        vars(metrics).pop(name, None)


def network() -> tuple[torch.nn.Module, torch.Tensor, torch.Tensor]:
    model = ModelSpec(
        architecture="plainnet", depth=8, kind="mlp", width=12, normalization="batch", initialisation="he_normal",
        activation="relu",
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    inputs, labels = torch.randn(20, 1, 8, 8, generator=generator), torch.randint(10, (20,), generator=generator)
    return architectures.build(model, (1, 8, 8), 10, seed=0), inputs, labels


def test_a_new_layer_metric_is_measured_tracked_listed_and_documented(added):
    found = measure(*network(), ProbeSpec(), epoch=1)
    rows = found.layers[(found.layers["statistic"] == "nuclear_norm") & (found.layers["tensor"] == "hidden")]
    raw = rows[~rows["centred"]].sort_values("layer_index")["value"].to_numpy()
    spectra = [s for key, s in found.spectra.items() if key.endswith("hidden/matrix/raw")]
    assert raw == pytest.approx([s.sum() for s in spectra])
    assert found.metrics["hidden.nuclear_norm.last"] == raw[-1]
    assert found.metrics["hidden.nuclear_norm.min"] == raw.min()
    assert found.profiles["profile.hidden.nuclear_norm"] == tuple(raw)
    assert singularity.nuclear_norm([3.0, 1.0]) == 4
    assert "nuclear_norm" in dir(singularity)
    one = metrics.describe("hidden.nuclear_norm.last")
    assert (one.axis, one.low, one.high, one.trend) == ("nuclear norm, last hidden layer", 0.0, None, True)
    assert "hidden.nuclear_norm.last" in metrics.listed_metrics()
    assert "| `nuclear_norm` | sum of s | Fazel 2002 | ≥ 0 |" in table()
    assert saved_view("x")


def test_a_new_number_of_the_trained_network_is_measured_and_tracked(added):
    model, inputs, labels = network()
    found = generalization_measures(model, inputs, labels).values
    scores = model.eval()(inputs).detach().double()
    assert found["score.rms"] == pytest.approx(float(scores.square().mean().sqrt()))
    assert metrics.describe("score.rms").trend


@pytest.mark.parametrize(
    ("key", "file", "title"),
    [
        ("hidden.nuclear_norm.last", "nuclear-norm-by-depth", "Nuclear norm by depth"),
        ("score.rms", "score-rms-by-depth", "Size of the scores by depth"),
        ("test.top3_accuracy", "top3-accuracy-by-depth", "Top-3 accuracy by depth"),
    ],
)
def test_a_new_trend_has_its_figure(added, whole, key, file, title):
    assert key in trend_metrics(whole.sweep)
    known = next(s for s in whole.series if s.metric == "hidden.stable_rank.median")
    one = replace(whole, series=(*whole.series, replace(known, metric=key)))
    charts = {c.name: c for c in metric_figures.by_depth(one, lay_out(one))() if c is not None}
    assert charts[file].title == title
    assert set(charts[file].data["metric"]) == {key}
    assert list(charts)[:2] == ["condition-by-depth", "rank-by-depth"]


def test_a_new_split_metric_is_evaluated(added):
    from skipray.datasets import open_dataset
    from skipray.spec.fields import DatasetSpec
    from skipray.trial.training.evaluation import evaluate

    splits = open_dataset(DatasetSpec(name="digits"), catalog.find("datasets", "digits").FINGERPRINT, None)
    model = network()[0].eval()
    found = evaluate(model, splits, "test", whole=True)
    scores = model(splits.normalise(splits.test_x)).detach()
    expected = (scores.topk(3, 1).indices == splits.test_y[:, None]).any(1).double().mean()
    assert found.values["top3_accuracy"] == pytest.approx(float(expected))
    assert set(found.values) == {"loss", "accuracy", "top3_accuracy"}


def test_a_users_own_metric_is_named_in_the_sweep(tmp_path, monkeypatch, whole):
    text = LAYER.replace("METRIC = ", "DECLARED = ").replace("def measure(spectra):", "def summed(spectra):")
    text += "\n\nclass nuclear:\n    METRIC, measure = DECLARED, staticmethod(summed)\n"
    (tmp_path / "my_metrics.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    name = "my_metrics:nuclear"
    sweep = load_sweep(whole.sweep.path, [f"probe.metrics=[{name}, rank_1e3]"])
    assert "hidden.nuclear_norm.last" in trend_metrics(sweep)
    assert "hidden.nuclear_norm.last" not in trend_metrics(whole.sweep)
    assert sweep.trials()[0].trial_id == whole.sweep.trials()[0].trial_id
    found = measure(*network(), sweep.probe, epoch=0)
    assert "hidden.nuclear_norm.last" in found.metrics
    assert "nuclear_norm" in set(found.layers["statistic"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("[effective_rnk]", r"probe.metrics.0: found 'effective_rnk' \(did you mean effective_rank\?\); allowed: "),
        ("[loss, loss]", "found loss twice"),
        ("['no_such_module:x']", "importing 'no_such_module' failed"),
        ("['math:pi']", "which has no METRIC"),
        ("loss", "found 'loss'; allowed: a list of names, each a file of skipray/metrics or module:name"),
    ],
)
def test_an_unknown_metric_is_an_error_where_it_is_named(whole, given, message):
    with pytest.raises(SpecError, match=message):
        load_sweep(whole.sweep.path, [f"probe.metrics={given}"])


def test_an_unknown_key_is_an_error_in_a_claim_or_figure(whole):
    from skipray.claims.judging.data import SweepData

    data = SweepData.read(whole.trials, whole.layers, ())
    with pytest.raises(ValueError, match=r"found the metric 'hidden.log10_conditon.last' \(did you mean hidden.log10_"):
        data.measured("hidden.log10_conditon.last")
    with pytest.raises(ValueError, match=r"found the statistic 'log10_conditon' \(did you mean log10_condition\?\)"):
        data.layer_rows("hidden", "log10_conditon")
    without = SweepData.read(whole.trials.drop(columns="test.accuracy"), pd.DataFrame(), ())
    assert without.measured("test.accuracy").empty, "known, and not tracked"


@pytest.mark.parametrize("entry", metrics.entries(), ids=lambda e: e.name)
def test_every_metric_says_what_it_is(entry):
    metric = entry.metric
    assert entry.name == metric.key.replace(".", "_")
    assert metric.definition
    assert metric.source
    assert metric.axis
    assert metric.low is None or metric.high is None or metric.low < metric.high
    for one in metric.tracked():
        assert one.key.replace(".", "").replace("_", "").isalnum(), "what MLflow takes"
        assert metrics.describe(one.key) == one


@pytest.mark.catalog
def test_bounds_hold_of_what_is_measured():
    """Of a network at initialisation, of one whose units are dead, and of one whose weights are zero."""
    model, inputs, labels = network()
    spec = ProbeSpec(preset="full", jacobian=True)
    for change in (lambda p: p, lambda p: p.mul_(100), lambda p: p.neg_().abs_().neg_(), lambda p: p.zero_()):
        with torch.no_grad():
            for parameter in model.parameters():
                change(parameter)
        found = measure(model, inputs, labels, spec, epoch=1)
        for key, value in (found.metrics | generalization_measures(model, inputs, labels, spec=spec).values).items():
            if not key.endswith(".censored"):
                one = metrics.describe(key)
                slack = 1e-9 * max(1.0, abs(value))
                assert one.low is None or value >= one.low - slack, key
                assert one.high is None or value <= one.high + slack, key
        for statistic, rows in found.layers.dropna(subset="value").groupby("statistic"):
            if statistic in ("structural_rank", "zero_rows", "zero_columns"):
                continue
            metric = metrics.layer_metric(statistic)
            values = rows["value"].to_numpy()
            assert metric.low is None or (values >= metric.low - 1e-9).all(), statistic
            assert metric.high is None or (values <= metric.high + 1e-9).all(), statistic


def test_declarations_need_no_torch():
    code = "import sys; from skipray.metrics import tracked; assert len(tracked()) > 40; "
    code += "import skipray.analysis.aggregation, skipray.report.writing; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.catalog
def test_the_documentations_page_is_what_is_printed(capsys):
    runpy.run_module("skipray.metrics", run_name="__main__")
    assert capsys.readouterr().out == page()
    assert page().endswith(table())
    for entry in metrics.entries():
        assert f"\n| `{entry.metric.key}` | " in page()


def test_a_spectrum_without_a_value_says_why():
    with pytest.raises(ValueError, match="all zero: effective_rank has no value"):
        singularity.effective_rank(np.zeros(3))
    with pytest.raises(AttributeError, match="no attribute 'effective_rnk'"):
        _ = singularity.effective_rnk
