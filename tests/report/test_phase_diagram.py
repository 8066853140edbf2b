"""Predicted limits in the report: the phase diagram over a numeric factor, the lines by depth and the table."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from skipray import theory
from skipray.analysis import predicted_limit
from skipray.analysis.limit_order import order_of_limits, words
from skipray.analysis.phase import phases
from skipray.report import paper
from skipray.report.groups import lay_out
from skipray.report.main_figure import accuracy_by_depth
from skipray.report.page_figures import drawn_panels
from skipray.report.phase_diagram import phase_diagram
from skipray.report.predicted import PREDICTED, predicted_table
from skipray.trends import Limit, trainability_limit

GAINS, DEPTHS = (1.0, 1.3, 1.76, 2.5), (8, 20, 38)


@pytest.fixture(scope="module")
def made(load, make):
    """Four gains at two learning rates."""
    sweep = load(
        ("  initialisation: he_normal\n", "  initialisation: lecun_normal\n  bias_variance: 0.05\n"),
        ("  activation: relu", "  activation: tanh"),
        ("[plainnet, resnet, resnext]", "[plainnet]"),
        ("  learning_rate: 0.05\n", ""),
        ("[8, 20, 38, 56, 74, 110]", str(list(DEPTHS))),
        ("  normalization: [batch]", f"  normalization: [none]\n  weight_gain: {list(GAINS)}\n"
         "  learning_rate: [0.01, 0.05]"),
        ("seeds: [0, 1, 2]", "seeds: [0, 1]"),
    )  # fmt: skip
    return make(sweep, layered=False)


def test_a_map_for_each_combination_of_the_other_factors(made):
    found = phases(made)
    assert [p.others["learning_rate"] for p in found] == [0.01, 0.05]
    for phase in found:
        assert (phase.factor, tuple(c.value for c in phase.columns)) == ("weight_gain", GAINS)
        assert not phase.logarithmic
        assert phase.others["architecture"] == "plainnet"


def test_tiles_are_the_means_of_the_seeds_and_the_data_file_has_them(made):
    chart = phase_diagram(made, lay_out(made))
    trials = made.trials
    tiles = chart.data[chart.data["kind"] == "tile"]
    assert len(tiles) == 2 * len(GAINS) * len(DEPTHS)
    for row in tiles.to_dict("records"):
        mine = trials[
            (trials["weight_gain"] == row["weight_gain"])
            & (trials["depth"] == row["depth"])
            & (trials["learning_rate"] == float(row["learning_rate"]))
        ]
        assert row["seeds"] == len(mine) == 2
        assert row["train.accuracy"] == pytest.approx(mine["train.accuracy"].mean())
    for panel in chart.panels:
        inside = panel.tiles
        area = (inside.right - inside.left) * np.log(inside.high / inside.low)
        whole = (panel.x.high - panel.x.low) * np.log(panel.y.high / panel.y.low)
        assert area.sum() == pytest.approx(whole), "tiles fill the frame and do not overlap"
        assert ((inside.left < inside.x) & (inside.x < inside.right)).all()
        assert ((inside.low < inside.y) & (inside.y < inside.high)).all()


def test_the_curve_is_the_theory_between_the_values_too(made):
    chart = phase_diagram(made, lay_out(made))
    curve = chart.data[chart.data["kind"] == "predicted"]
    assert set(GAINS) < set(curve["weight_gain"])
    for row in curve.iloc[::9].to_dict("records"):
        assert row["depth"] == pytest.approx(theory.trainable_depth("tanh", row["weight_gain"], 0.05))
    (drawn,) = [t for t in chart.panels[0].traces if t.name == PREDICTED.text]
    assert (np.diff(drawn.x) > 0).all()


def test_a_pointer_and_a_table_read_every_tile(made):
    chart = phase_diagram(made, lay_out(made))
    for drawn, panel in zip(drawn_panels(chart), chart.panels, strict=True):
        read = [
            p for p in drawn.spec["usermeta"]["points"] if drawn.spec["usermeta"]["traces"][p[0]][0] == "train accuracy"
        ]
        assert len(read) == len(panel.tiles.value)
        assert "predicted limit 22" in read[0][3]
    (table,) = chart.tables
    assert len(table.rows) == 2 * len(GAINS)
    assert {row[-2] for row in table.rows} == {"22", "47", "29,470", "71"}


def test_tiles_are_drawn_on_paper(made, tmp_path):
    svg = tmp_path / "phase.svg"
    paper.save_as(phase_diagram(made, lay_out(made)), svg)
    text = svg.read_text()
    assert text.count('fill="#1f6f78"') >= 2 * len(GAINS) * len(DEPTHS)


def test_few_values_or_words_make_no_map(load, make):
    few = load(
        ("[plainnet, resnet, resnext]", "[plainnet]"),
        ("  learning_rate: 0.05\n", ""),
        ("[8, 20, 38, 56, 74, 110]", "[8, 20]"),
        ("normalization: [batch]", "normalization: [batch, none]\n  learning_rate: [0.01, 0.05]"),
    )
    made = make(few, layered=False)
    assert phase_diagram(made, lay_out(made)) is None


def test_predicted_lines_by_depth_lie_among_the_depths_tried(made):
    predicted = predicted_limit.of_groups(made.sweep)
    chart = accuracy_by_depth(made, lay_out(made), predicted)
    assert PREDICTED in chart.legend
    lines = {d.x for p in chart.panels for d in p.drops if d.dash == "dotted"}
    assert {round(x) for x in lines} == {22}, "47 and more lie beyond 38"
    (table, *_) = chart.tables
    assert [row[2] for row in table.rows] == ["22", "22", "47", "47", "29,470", "29,470", "71", "71"]
    order = order_of_limits(dict(made.limits), predicted)
    assert (order is None) == ("Order of the limits" not in table.caption)
    assert order is None or words(order) in table.caption


def test_the_order_of_the_limits_is_a_number(made):
    predicted = predicted_limit.of_groups(made.sweep)
    limits = {g: trainability_limit([8, 20, 38], [True, p.depth > 30, p.depth > 60]) for g, p in predicted.items()}
    table = predicted_table(SimpleNamespace(limits=tuple(limits.items())), lay_out(made), predicted)
    assert "Order of the limits: 10 of 10 pairs as predicted, 2 not told apart" in table.caption
    assert "of the predictions over 4 networks, compared within 2 settings of the rest" in table.caption


def test_the_ratio_follows_what_was_measured(made):
    layout = lay_out(made)
    predicted = predicted_limit.of_groups(made.sweep)
    first = next(iter(predicted))

    def ratio(limit: Limit) -> str:
        tables = (replace(made.limit_tables[0], of_groups=((first, limit),)),)
        return predicted_table(replace(made, limit_tables=tables), layout, predicted).rows[0][3]

    assert ratio(Limit(2 * predicted[first].depth, None, None, "none")) == "2"
    counts = made.limits[0][1].counts
    assert ratio(Limit(None, 38.0, None, "above", counts=counts)).startswith("above 1.7")
    assert ratio(Limit(None, None, None, "none", monotone=False, counts=counts)) == "–"


def test_a_sweep_of_which_theory_says_nothing_has_neither(load, make):
    sweep = load(("[plainnet, resnet, resnext]", "[resnet, resnext]"), ("[8, 20, 38, 56, 74, 110]", "[8, 20]"),
                 ("residual_scale: 1", "residual_scale: 1\n  stochastic_depth: 0.2"))  # fmt: skip
    made = make(sweep, layered=False)
    chart = accuracy_by_depth(made, lay_out(made), predicted_limit.of_groups(sweep))
    assert PREDICTED not in chart.legend
    assert chart.tables == ()
    assert isinstance(chart.data, pd.DataFrame)
