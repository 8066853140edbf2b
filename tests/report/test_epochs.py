"""Curves over epochs compare like with like: the last epoch is drawn on the samples of the epochs before it."""

from dataclasses import replace

import pandas as pd
import pytest

from skipray.report.epoch_figures import by_epoch
from skipray.report.groups import lay_out


def last_values(aggregate, metric: str) -> pd.DataFrame:
    chart = by_epoch(aggregate, lay_out(aggregate))
    rows = chart.data[chart.data["metric"] == metric]
    return rows[rows["epoch"] == rows["epoch"].max()]


def test_the_last_epoch_is_drawn_on_the_part_that_the_others_were_judged_on(load, make):
    made = make(load(), layered=False)
    epochs = made.sweep.cells[0].recipe.epochs
    trials = made.trials.assign(**{"recipe.epochs": epochs})
    on_part = {"part.train.accuracy": 0.123, "part.train.loss": 4.5, "part.samples": 256.0}
    new = replace(made, trials=trials.assign(**on_part))
    drawn = last_values(new, "train.accuracy")
    assert set(drawn["epoch"]) == {epochs}
    assert set(drawn["value"]) == {0.123}
    assert "Judged on 256 samples of the training set" in by_epoch(new, lay_out(new)).caption
    # Of runs from before the part was logged the last epoch, judged on other samples, is left out, and that is said.
    old = replace(made, trials=trials)
    assert set(last_values(old, "train.accuracy")["epoch"]) == {epochs - 1}
    assert "is not drawn" in by_epoch(old, lay_out(old)).caption


@pytest.mark.parametrize("logged", [True, False])
def test_a_run_of_one_epoch_keeps_its_end(load, make, logged):
    made = make(load(("epochs: 6", "epochs: 1")), layered=False)
    extra = {"part.train.accuracy": 0.123, "part.samples": 256.0} if logged else {}
    one = replace(made, trials=made.trials.assign(**{"recipe.epochs": 1}, **extra))
    drawn = last_values(one, "train.accuracy")
    assert set(drawn["epoch"]) == {1}
    assert (set(drawn["value"]) == {0.123}) == logged


def test_an_unfinished_sweep_says_so_in_the_drawing(load, make):
    from skipray.report.preliminary import finished_words, marked

    part = make(load(), share=0.5, layered=False)
    words = finished_words(part)
    assert words == "27 of 54 trials"
    chart = by_epoch(part, lay_out(part))
    drawn = marked(chart, words)
    assert words in drawn.title
    assert drawn.panels[0].title.startswith(words)
    assert marked(chart, finished_words(make(load(), layered=False))) is chart
