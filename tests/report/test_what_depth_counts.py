"""Wherever depth is named it is said what it counts, of each family where they differ."""

from dataclasses import replace

import pytest

from skipray.analysis.aggregation import Aggregate
from skipray.planning.plan import make_plan
from skipray.report import methods, tables
from skipray.report.answer import answer
from skipray.report.groups import lay_out
from skipray.report.limit_figures import limits_chart
from skipray.report.result_tables import accuracy_table
from skipray.terminal.display import aggregate_blocks, plan_line, show_plan, show_states

WORDS = "depth (blocks or weight layers)"
SENTENCE = "Depth counts blocks of PlainNet, weight layers of ResNet and ResNeXt."


@pytest.fixture
def mixed(whole: Aggregate) -> Aggregate:
    return replace(whole, sweep=replace(whole.sweep, depth_units={"plainnet": "blocks"}))


def test_in_the_report(mixed: Aggregate, whole: Aggregate) -> None:
    layout = lay_out(mixed)
    assert SENTENCE in answer(mixed, layout, "")
    assert "Depth counts weight layers." in answer(whole, lay_out(whole), "")
    assert SENTENCE in dict(methods.definitions(mixed))["trainability limit"]
    assert accuracy_table(mixed, layout).caption.startswith(f"Accuracy by {WORDS}:")
    assert all(f"The {WORDS} at which" in table.caption for table in tables.more_limits(mixed, layout))
    chart = limits_chart(mixed, layout)
    assert chart.panels[0].x.label == WORDS
    assert f"the {WORDS} at which" in chart.caption


def test_in_the_terminal(mixed: Aggregate, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = aggregate_blocks(mixed)
    assert SENTENCE in [getattr(block, "text", "") for block in blocks]
    first = next(block for block in blocks if hasattr(block, "columns"))
    assert first.columns[0].title == "accuracy at depth\n(blocks or weight layers)"
    plan = make_plan(mixed.sweep)
    assert f"{WORDS} 8 to 110" in plan_line(plan)
    show_plan(plan)
    show_states(mixed.sweep, {}, {})
    printed = capsys.readouterr().out
    assert SENTENCE in printed
    assert "(blocks or weight layers)" in printed.partition("architecture / depth")[2]
