"""Axes of values of any size."""

import math
import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import vl_convert

from skipray.palette import COLOURS, Style
from skipray.report.axes import depth_axis, linear_axis, log_axis, name_axis, rate_axis
from skipray.report.chart import Chart, Panel, Trace
from skipray.report.drawing import CONFIG
from skipray.report.vega_lite import for_paper


@pytest.mark.parametrize("size", [1e-300, 1e-30, 1e-7, 1.0, 12345.0, 6.9e22, 3e38, 1e300])
@pytest.mark.parametrize("low", [-1.0, 0.0, 0.3, 1.0])
def test_a_linear_axis_holds_its_values(size: float, low: float) -> None:
    axis = linear_axis("x", [low * size, size, math.nan, math.inf])
    assert axis.low <= low * size <= size <= axis.high
    assert axis.low < axis.high < math.inf


def test_a_bound_has_room_for_a_whole_mark() -> None:
    axis = linear_axis("accuracy", [0.2, 1.0], low=0.0, high=1.0)
    assert -0.05 < axis.low < 0.0
    assert 1.0 < axis.high < 1.05


def test_a_log_axis_holds_one_value_and_leaves_out_what_has_no_logarithm() -> None:
    axis = log_axis("loss", [2.0, 0.0, -1.0])
    assert 1.0 < axis.low < 2.0 < axis.high < 3.0


def test_depths_that_were_tried_have_the_ticks() -> None:
    assert depth_axis([110, 8, 20]).at == (8.0, 20.0, 110.0)
    assert depth_axis([110, 8]).scale == "log"
    assert depth_axis([10, 20]).scale == "linear"


def test_an_axis_of_rates_has_ticks_at_round_rates() -> None:
    axis = rate_axis("largest learning rate", [-2.0, -0.7])
    assert [round(10**v, 6) for v in axis.at] == [0.01, 0.02, 0.05, 0.1, 0.2]


def test_rows_of_names_have_one_place_each() -> None:
    axis = name_axis(["a", "b", "c"])
    assert axis.names == ("a", "b", "c")
    assert axis.low < 0 < 2 < axis.high


@pytest.mark.parametrize(("low", "high"), [(-0.92, 0.78), (-1.25, 0.79), (0.0, 0.001), (-42.0, 17.0)])
@pytest.mark.parametrize("width", range(150, 420, 15))
def test_numbers_below_an_axis_do_not_touch(low: float, high: float, width: int) -> None:
    """Of the drawing itself: a digit of its font is taken as half as wide as high."""
    places = np.array([low, high])
    panel = Panel(
        "", linear_axis("x", places), linear_axis("y", [0.0, 1.0]), (Trace("t", Style("ink"), places, places),)
    )
    chart = Chart("c", "", "", "", (panel,), (), pd.DataFrame())
    drawn = for_paper(chart, lambda name: COLOURS[name][0], width=width, height=150, columns=1)
    svg = vl_convert.vegalite_to_svg(drawn, config=CONFIG)
    axis = svg.partition('aria-label="X-axis')[2].partition('aria-label="Y-axis')[0]
    labels = re.findall(r'translate\(([\d.]+),[^>]*font-size="(\d+)px"[^>]*opacity="1">([^<]+)</text>', axis)
    shown = [(float(at), float(size) * 0.5 * len(text)) for at, size, text in labels if text != "x"]
    assert len(shown) > 2
    for (at, wide), (after, next_wide) in pairwise(shown):
        assert after - next_wide / 2 - (at + wide / 2) > 5, shown
