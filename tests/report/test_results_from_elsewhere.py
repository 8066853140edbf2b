"""Reports of tables whose truth is known: no sentence and no number of the page says what the table does not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skipray import tracking
from skipray.analysis.aggregation import Aggregate, aggregate
from skipray.claims import Claim
from skipray.claims.judging.claim import Comparison, finding
from skipray.claims.judging.evidence import Mean
from skipray.claims.judging.verdict import Stated, judged
from skipray.report.answer import answer
from skipray.report.claim_rows import claim_rows
from skipray.report.fits import fit_rows
from skipray.report.groups import Layout, lay_out
from skipray.report.main_figure import accuracy_by_depth
from skipray.report.numbers import beside
from skipray.report.page import render
from skipray.report.result_tables import DIVERGED, accuracy_table, cost_table
from skipray.report.tables import more_limits
from skipray.report.words import interval, probability
from skipray.terminal.claims_table import numbers
from skipray.tracking.exchange.prior import import_table
from skipray.trends.depth_trend import TIED

DEPTHS = (8, 20, 38, 56)
SEEDS = (0, 1, 2)


def judged_table(rows: list[dict[str, object]], folder: Path, uri: str) -> tuple[Aggregate, Layout]:
    path = folder / "theirs.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    import_table(path, "theirs", uri, chance=0.1)
    stored = tracking.stored_sweep("theirs", uri)
    assert stored is not None
    made = aggregate(stored.sweep, uri)
    return made, lay_out(made)


def rows_of(reach: dict[str, float], depths: tuple[int, ...] = DEPTHS, **more: object) -> list[dict[str, object]]:
    """Families that fit up to a depth, and are at chance beyond it."""
    return [
        {"architecture": f, "depth": d, "seed": s, "train.accuracy": 0.99 - s / 100 if d < to else 0.1, **more}
        for f, to in reach.items()
        for d in depths
        for s in SEEDS
    ]


def test_a_table_without_seconds_costs_nothing_that_is_known(uri: str, tmp_path: Path) -> None:
    made, layout = judged_table(rows_of({"plain": 30, "skip": 99}), tmp_path, uri)
    assert cost_table(made, layout) is None
    assert "time.train_seconds" not in made.trials or made.trials["time.train_seconds"].isna().all()


def test_a_table_with_seconds_has_them(uri: str, tmp_path: Path) -> None:
    made, layout = judged_table(rows_of({"plain": 30}, **{"time.train_seconds": 12.0}), tmp_path, uri)
    table = cost_table(made, layout)
    assert table is not None
    assert {row[2:] for row in table.rows} == {("12",) * len(DEPTHS)}
    assert "time.probe_seconds" not in made.trials or made.trials["time.probe_seconds"].isna().all()


def test_the_deepest_depth_tried_is_not_the_deepest_that_could_be_compared(uri: str, tmp_path: Path) -> None:
    made, layout = judged_table(rows_of({"plain": 30, "skip": 99}), tmp_path, uri)
    learns, keeps_up = (dict(table.rows) for table in more_limits(made, layout))
    assert learns["skip"].startswith(f"beyond {DEPTHS[-1]}, the deepest tried")
    assert keeps_up["skip"].startswith("beyond 20, the deepest at which it can be told (3 of 3 seeds there")


def test_the_deepest_tried_is_called_so_where_shallow_ones_cannot_be_compared(uri: str, tmp_path: Path) -> None:
    rows = [{**row, "train.accuracy": 0.1} if row["depth"] == DEPTHS[0] else row for row in rows_of({"a": 99, "b": 99})]
    made, layout = judged_table(rows, tmp_path, uri)
    _, keeps_up = (dict(table.rows) for table in more_limits(made, layout))
    assert keeps_up["a"].startswith(f"beyond {DEPTHS[-1]}, the deepest tried")


def test_what_diverged_is_no_gap_in_the_table(uri: str, tmp_path: Path) -> None:
    rows = rows_of({"plain": 99, "skip": 99})
    for row in rows:
        if row["architecture"] == "plain" and row["depth"] == DEPTHS[-1]:
            row["train.accuracy"] = None
    made, layout = judged_table(rows, tmp_path, uri)
    table = accuracy_table(made, layout)
    assert table is not None
    assert {row[0]: row[-1] for row in table.rows} == {"plain": DIVERGED, "skip": "0.980 ± 0.010"}


def test_what_a_network_reached_before_it_diverged_is_no_result(uri: str, tmp_path: Path) -> None:
    rows = [row | {"outcome": "trained"} for row in rows_of({"plain": 99})]
    for row in rows:
        if row["depth"] == DEPTHS[-1] and row["seed"] != 2:
            row["outcome"] = "diverged"
    made, layout = judged_table(rows, tmp_path, uri)
    table = accuracy_table(made, layout)
    assert table is not None
    assert table.rows[0][-2:] == ("0.980 ± 0.010", "0.970 (1 of 3)")
    series = next(s for s in made.series if s.metric == "train.accuracy")
    assert series.depth.count(DEPTHS[-1]) == 1
    assert "2 of 12 networks diverged and are left out" in series.trend.notes
    chart = accuracy_by_depth(made, layout)
    assert chart is not None
    assert chart.caption.endswith("Networks that diverged are not drawn: 2 of 12 of plain.")


def test_the_line_of_chance_is_what_limits_are_counted_from(uri: str, tmp_path: Path) -> None:
    made, layout = judged_table([row | {"dataset": "cifar100"} for row in rows_of({"plain": 30})], tmp_path, uri)
    chart = accuracy_by_depth(made, layout)
    assert chart is not None
    assert [level.text for panel in chart.panels for level in panel.levels] == ["chance 0.1"]


@pytest.mark.parametrize("widths", [(64,), (32, 64)])
def test_the_answer_on_many_families_is_a_sentence(uri: str, tmp_path: Path, widths: tuple[int, ...]) -> None:
    reach = {f"family-{i}": 10 + 4 * i for i in range(12)}
    rows = [row for width in widths for row in rows_of(reach, (8, 38), width=width)]
    made, layout = judged_table(rows, tmp_path, uri)
    said = " ".join(answer(made, layout, ""))
    assert "1 of 1" not in said
    assert len(said) < 600
    beyond = sum(to > 38 for to in reach.values()) * len(widths)
    assert f"beyond the deepest tried in {beyond}" in said
    assert f"in {12 * len(widths) - beyond}" in said
    chart = accuracy_by_depth(made, layout)
    assert chart is not None
    assert "would hide each other" in chart.caption
    assert all(trace.low is None for panel in chart.panels for trace in panel.traces)


def test_the_page_of_a_table_says_what_was_not_looked_at(uri: str, tmp_path: Path) -> None:
    made, layout = judged_table(rows_of({"plain": 30, "skip": 99}), tmp_path, uri)
    page = render(made, layout, None, [], "")
    assert "No breach" not in page
    assert "in the sweep&#39;s file" not in page
    assert "in the sweep's file" not in page
    assert f"within {TIED:g} of the best" in page


def test_a_constant_has_no_error_of_rounding(uri: str, tmp_path: Path) -> None:
    rows = [{**row, "train.accuracy": 0.7} for row in rows_of({"plain": 99})]
    made, layout = judged_table(rows, tmp_path, uri)
    assert {row.error for row in fit_rows(made, layout)} == {"0"}


def test_a_curve_that_does_not_fit_has_no_intervals(uri: str, tmp_path: Path) -> None:
    made, layout = judged_table(rows_of({"plain": 30}), tmp_path, uri)
    (row,) = fit_rows(made, layout)
    assert row.verdict.startswith("no curve fits")
    assert row.parameters == ()


ENDS = st.tuples(st.floats(-100, 100), st.floats(1e-2, 10)).map(lambda t: (t[0], t[0] + t[1]))


@given(ENDS)
def test_the_ends_of_an_interval_are_told_apart(ends: tuple[float, float]) -> None:
    low, high = interval(*ends).split(" to ")
    assert low != high
    at = beside(float(np.mean(ends)), *ends)
    values = [float(text.replace("−", "-").replace("·10", "e")) for text in (low, at, high) if "⁻" not in text]
    assert values == sorted(values), "an estimate lies in its interval"


def leaning() -> Claim:
    parts = [
        Comparison("growth", Mean(1.0, 0.3, 4), "", "it grows", "it does not grow", 0.0, "above"),
        Comparison("bend", Mean(0.0, 5.0, 4), "", "it is straight", "it bends", 0.25, "within"),
    ]
    return judged([Stated("A", "ours", finding("It grows straight", parts, SEEDS, DEPTHS))])[0]


def test_p_beside_an_effect_is_that_of_the_effect() -> None:
    claim = leaning()
    assert claim.verdict == "leaning"
    growth, bend = claim.parts
    assert claim.effect_label == growth.label
    assert bend.p_adjusted > growth.p_adjusted
    (row,) = claim_rows([claim])
    assert row.p_for == probability(growth.p_adjusted) == row.parts[0].p_for
    assert f"p {growth.p_adjusted:.2g} for" in numbers(claim)
