"""Of networks that predict values, losses stand where accuracies stand of others."""

from dataclasses import replace

import numpy as np
import pytest

from skipray.analysis.aggregation import Aggregate
from skipray.analysis.score import ACCURACIES, LOSSES, judged_by
from skipray.report.groups import lay_out
from skipray.report.main_figure import accuracy_by_depth, loss_by_depth
from skipray.report.result_tables import accuracy_table
from skipray.results.scores import scores_in
from skipray.terminal.scores_table import scores_table


@pytest.fixture
def of_values(whole: Aggregate) -> Aggregate:
    """A made-up sweep, its accuracies taken for losses."""
    loss = dict(zip(ACCURACIES, LOSSES, strict=True))
    series = tuple(replace(s, metric=loss.get(s.metric, s.metric)) for s in whole.series)
    return replace(whole, trials=whole.trials.rename(columns=loss).assign(**{"chance.loss": 1.0}), series=series)


def test_losses_stand_in_the_first_figure_and_tables(whole: Aggregate, of_values: Aggregate) -> None:
    assert judged_by(whole.trials) == ACCURACIES
    assert judged_by(of_values.trials) == LOSSES
    assert judged_by(of_values.trials.assign(**{"train.accuracy": np.nan})) == LOSSES
    layout = lay_out(of_values)
    assert accuracy_by_depth(of_values, layout) is None
    chart = loss_by_depth(of_values, layout)
    assert [panel.y.label for panel in chart.panels] == ["train loss", "test loss"]
    assert [(level.y, level.text) for level in chart.panels[0].levels] == [(1.0, "the mean alone")]
    assert loss_by_depth(whole, lay_out(whole)) is None
    table = accuracy_table(of_values, layout)
    assert table.caption.startswith("Loss by depth")
    assert {row[1] for row in table.rows} == {"train loss", "test loss"}
    titles = [scores_table(scores_in(made)).columns[0].title for made in (of_values, whole)]
    assert titles == ["loss at depth", "accuracy at depth"]
