"""The report of a tuned and of an adaptive sweep: default beside tuned, the audit, marks around breaches, frontiers."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from jsonschema import Draft202012Validator

from skipray.analysis.series import Series
from skipray.analysis.tuning import Tuning
from skipray.report import write
from skipray.results import document, schema
from skipray.results.judged import aggregate_result
from skipray.search.fairness import DIVERGED_SHARE, STABLE_RATE, UNTRAINED_SHARE
from skipray.search.frontier import Frontier
from skipray.spec import Cell
from skipray.trends import fit_depth_trend

BREACH = "the choice lies on the edge of learning_rate high"
MARKED = ("plainnet", 20)


def _cell_series(metric: str, whole, value) -> list[Series]:
    found = []
    for group, _ in whole.limits:
        depth = tuple(sorted({d for s in whole.series for d in s.depth}))
        values = tuple(float(value(group.architecture, d)) for d in depth)
        trend = fit_depth_trend(np.array(depth, float), np.array(values), seed=np.zeros(len(depth)), resamples=100)
        found.append(Series(metric, group, depth, values, (0,) * len(depth), (0,) * len(depth), trend))
    return found


@pytest.fixture(scope="module")
def tuned(whole):
    """The whole sweep as if its setting had been tuned in every cell, with one choice on an edge."""
    rows = [
        {
            "cell": Cell(group, depth),
            "depth": depth,
            "points": 8,
            "tuning_trials": 8,
            "failed": 0,
            "selected_on": "validation",
            DIVERGED_SHARE: 0.125,
            UNTRAINED_SHARE: 0.25,
            STABLE_RATE: -1.0,
            f"{STABLE_RATE}.censored": 0,
            "chosen.learning_rate": 0.05,
            "chosen.validation_accuracy": 0.9,
            "edges": "",
            "untrainable": depth == 110,
            "default.test_accuracy": 0.8,
            "default.trained_share": 1.0,
            "tuned.test_accuracy": 0.9,
            "tuned.trained_share": 1.0,
            "breach": BREACH if (group.architecture, depth) == MARKED else "",
        }
        for group, _ in whole.limits
        for depth in (8, 20, 38, 56, 74, 110)
    ]
    default = tuple(replace(s, value=tuple(0.8 * v for v in s.value)) for s in whole.series if "accuracy" in s.metric)
    return replace(
        whole,
        tuning=Tuning(fairness=pd.DataFrame(rows), default_series=default, default_limits=whole.limits),
        series=(
            *whole.series,
            *_cell_series(STABLE_RATE, whole, lambda a, d: -0.5 - (d / 50 if a == "plainnet" else 0)),
            *_cell_series(DIVERGED_SHARE, whole, lambda a, d: min(1.0, d / 200)),
        ),
    )


@pytest.fixture(scope="module")
def files(tuned, tmp_path_factory):
    return write(tuned, tmp_path_factory.mktemp("tuned"))


@pytest.fixture(scope="module")
def page(files):
    return files.html.read_text(encoding="utf-8")


def test_its_json_follows_the_schema(tuned):
    made = document("aggregate", aggregate_result(tuned))
    assert len(made["fairness"]) == 18
    Draft202012Validator(schema()).validate(json.loads(json.dumps(made, allow_nan=False)))


def test_default_beside_tuned(files, page, drawings):
    frame = pd.read_csv(files.html.parent / "data" / "default-and-tuned.csv")
    means = frame[(frame["metric"] == "test.accuracy") & (frame["architecture"] == "resnet")]
    means = means.groupby(["setting", "depth"])["value"].mean().unstack("setting")
    np.testing.assert_allclose(means["default"], 0.8 * means["tuned"])
    traces = drawings(page)["default-and-tuned-0"]["usermeta"]["traces"]
    legend = re.findall(r"</i>([^<]+)</label>", page.split('id="default-and-tuned"')[1].split("</ul>")[0])
    hidden_by_default = [name for name, _, keys in traces if legend.index("default") in keys]
    assert sorted(hidden_by_default) == ["PlainNet", "ResNeXt", "ResNet"]
    assert "Trainability limit in both settings." in page


def test_what_tuning_found_has_its_own_figure_and_trend(files, page, drawings):
    frame = pd.read_csv(files.html.parent / "data" / "stability-by-depth.csv")
    assert set(frame["metric"]) == {STABLE_RATE, DIVERGED_SHARE}
    assert {"trial", "fit"} == set(frame["kind"])
    axis = drawings(page)["stability-by-depth-0"]["encoding"]["y"]["axis"]
    assert axis["values"]
    assert "pow(10, datum.value)" in axis["labelExpr"], "rates are read as rates"


def test_the_audit_lists_every_cell(page):
    audit = re.sub(r"<[^>]+>", " ", page.split('id="audit"')[1].split("</section>")[0])
    assert audit.count("plainnet") == audit.count("resnext") == 6
    assert BREACH in audit
    assert audit.count("untrainable: no point and no final ends better than chance") == 3


def test_a_breach_is_marked_in_every_figure(files, page, drawings):
    for figure in re.findall(r'<figure id="([^"]+)".*?</figure>', page, flags=re.S):
        panels = [spec for place, spec in drawings(page).items() if place.rpartition("-")[0] == figure]
        names = {name for spec in panels for name, *_ in spec["usermeta"]["traces"]}
        alone = figure in (
            "stability-by-depth",
            "predictions-at-initialisation",
            "condition-by-layer",
            "activations-by-value",
            "weights-by-value",
            "spread-by-layer",
            "limits",
        )
        # Those by layer are drawn at depth 110, whose cells are clean.
        assert ("breaks the tuning's protocol" in names) == (not alone or figure == "stability-by-depth"), figure
    legend = page.split('id="accuracy-by-depth"')[1].split("</ul>")[0]
    assert "breaks the tuning&#39;s protocol" in legend


def test_an_adaptive_sweep_shows_where_its_search_stands(whole, tmp_path):
    groups = [group for group, _ in whole.limits]
    frontiers = (
        (groups[0], Frontier(60.0, 50.0, 70.0, 12, "found")),
        (groups[1], Frontier(400.0, 300.0, 800.0, 8, "beyond")),
        (groups[2], Frontier(90.0, 40.0, 300.0, 4, "open")),
    )
    page = write(replace(whole, frontiers=frontiers), tmp_path).html.read_text(encoding="utf-8")
    words = re.sub(r"<[^>]+>", " ", page)
    assert "The search for the limit of ResNeXt is not finished." in re.sub(r"\s+", " ", words)
    assert "found: the interval is as narrow as was asked" in words
    assert "50 to 70" in words
    assert "open: needs more trials" in words
