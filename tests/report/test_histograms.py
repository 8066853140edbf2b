"""The paper's Figs. 5 to 10 in the report, and what it says where a figure cannot be drawn."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from skipray.report import write
from skipray.report.groups import lay_out
from skipray.report.histogram_figures import by_value, histograms


@pytest.fixture(scope="module")
def charts(whole):
    layout = lay_out(whole)
    return by_value(layout, histograms(whole, layout))


def test_a_panel_a_family_and_layer_at_the_depth_that_they_share(charts):
    assert [c.name for c in charts] == ["activations-by-value", "weights-by-value"]
    for chart in charts:
        titles = [p.title.replace("\u00a0", " ") for p in chart.panels]
        assert titles == [
            f"{family} · depth 110 · {end} layer"
            for end in ("first", "last")
            for family in ("PlainNet", "ResNet", "ResNeXt")
        ]
        for panel, reach in zip(chart.panels, [1.0] * 3 + [110.0] * 3, strict=True):
            assert panel.x.low <= 0 < reach <= panel.x.high
            assert panel.y.scale == "log"


def test_the_outline_holds_the_shares_and_goes_down_where_bins_are_empty(charts):
    activations, weights = (chart.panels[3] for chart in charts)
    outline, zeros, points = activations.traces
    floor = activations.y.low
    np.testing.assert_allclose(outline.x, [0, 0, 55, 55, 99, 99, 110, 110])
    np.testing.assert_allclose(outline.y, [floor, 0.5, 0.5, floor, floor, 1 / 6, 1 / 6, floor])
    np.testing.assert_allclose(zeros.y, [floor, 1 / 3])
    assert points.hover[0] == "exactly 0: 33.3 %"
    assert points.hover[2] == "99 to 110: 16.7 %"
    assert len(weights.traces) == 2, "no weight is exactly 0"
    assert ["exactly 0" in chart.caption for chart in charts] == [True, False]


def test_the_data_file_has_every_seed_of_what_is_drawn(charts):
    data = charts[0].data
    assert set(data["depth"]) == {110}
    assert set(data["stage"]) == {"end"}
    assert data.groupby(["architecture", "seed", "end"])["share"].sum().to_numpy() == pytest.approx(np.ones(18))
    assert charts[0].tables[0].rows[3][4:] == ("0", "110", "33.3 %", "50 %")
    assert "PlainNet at depth 110, last layer: 0 to 110" in charts[0].alt


def test_a_cell_that_breaks_the_protocol_has_a_ring(whole):
    layout = lay_out(whole)
    layout = dataclasses.replace(layout, marked=frozenset({(layout.groups[1], 110), (layout.groups[0], 74)}))
    for chart in by_value(layout, histograms(whole, layout)):
        ringed = [any(t.look == "ring" for t in p.traces) for p in chart.panels]
        assert ringed == [False, True, False] * 2, "of the second family, at the depth that is drawn"
        assert "breaks the tuning's protocol" in [k.text for k in chart.legend]


def test_without_histograms_the_report_says_what_to_run(whole, tmp_path):
    before = dataclasses.replace(whole, histograms=pd.DataFrame())
    page = write(before, tmp_path).html.read_text(encoding="utf-8")
    assert 'id="activations-by-value"' not in page
    assert (
        "Figs. 5 to 10, distributions of activations and weights: <code>skipray measure synthetic</code> measures them"
        in page
    )
    assert "Figs. 3 and 4," not in page


def test_a_finished_report_draws_them_all(whole, tmp_path, drawings):
    files = write(whole, tmp_path)
    page = files.html.read_text(encoding="utf-8")
    assert "could not be drawn" not in page
    assert {f"weights-by-value-{i}" for i in range(6)} <= drawings(page).keys()


def test_a_sweep_without_training_shows_the_initialisation(load, make):
    aggregate = make(load(("epochs: 6", "epochs: 0")))
    layout = lay_out(aggregate)
    charts = by_value(layout, histograms(aggregate, layout))
    assert all("at initialisation" in chart.caption for chart in charts)
