"""What a reviewer looks for: the numbers by family and depth, their cost, definitions, protocol, what to cite."""

from dataclasses import replace

import pytest

from skipray.report import methods
from skipray.report.groups import lay_out
from skipray.report.numbers import beside
from skipray.report.result_tables import accuracy_table, cost_table, runs_table


def test_accuracy_by_family_and_depth_is_the_mean_of_the_seeds(whole):
    table = accuracy_table(whole, lay_out(whole))
    assert table.folded == "", "open by default"
    assert table.columns == ("Cells", "Accuracy", "depth 8", "20", "38", "56", "74", "110")
    rows = {row[:2]: row[2:] for row in table.rows}
    assert len(rows) == 6
    mine = whole.trials[(whole.trials["architecture"] == "plainnet") & (whole.trials["depth"] == 38)]
    values = mine["train.accuracy"]
    assert rows["PlainNet", "train accuracy"][2] == f"{values.mean():.3f} ± {values.std(ddof=1):.3f}"


def test_cost_by_depth(whole):
    rows = {row[:2]: row[2:] for row in cost_table(whole, lay_out(whole)).rows}
    parameters = [float(text.split()[0]) for text in rows["PlainNet", "parameters"]]
    assert parameters == sorted(parameters)
    assert all(text.endswith("k") for text in rows["PlainNet", "parameters"])
    assert set(rows["ResNet", "seconds of training"]) == {"1"}
    assert ("ResNeXt", "FLOPs of a sample, forward") in rows


def test_costs_are_the_stores_where_it_has_them(whole):
    """The code that made a network need not be here, nor still make the same."""
    stored = {trial.trial_id: {"parameters": 7000} for trial in whole.sweep.trials()}
    read_back = replace(whole, sweep=replace(whole.sweep, sizes=stored))
    rows = {row[:2]: row[2:] for row in cost_table(read_back, lay_out(read_back)).rows}
    assert len(set(rows["ResNet", "parameters"])) == 1
    assert ("ResNet", "FLOPs of a sample, forward") not in rows


def test_runs_are_linked_by_seed(whole):
    assert runs_table(whole, lay_out(whole)) == [], "of a made-up sweep nothing is tracked"
    pages = {trial: f"http://127.0.0.1:5000/#/runs/{trial}" for trial in whole.trials["trial_id"]}
    rows = runs_table(replace(whole, run_pages=pages), lay_out(whole))
    assert len(rows) == 18
    assert rows[0][:2] == ("PlainNet", 8)
    assert [seed for seed, _ in rows[0][2]] == ["0", "1", "2"]


def test_every_definition_of_a_limit_and_every_metric_with_a_trend_is_defined(whole):
    terms = dict(methods.definitions(whole))
    for table in whole.limit_tables:
        assert any(table.definition.sentence in text for text in terms.values())
    assert "Source: " in terms["log₁₀ κ"]
    assert {"band", "trainability limit"} <= set(terms)


def test_the_paper_is_cited_where_its_families_are_compared(whole, load, make):
    assert any("TNNLS" in text or "Transactions on Neural" in text for text in methods.citations(whole, lay_out(whole)))
    alone = make(load(("architecture: [plainnet, resnet, resnext]", "architecture: [resnet]")), layered=False)
    assert not any("Transactions" in text for text in methods.citations(alone, lay_out(alone)))
    assert lay_out(alone).of_paper("Fig. 3") == ""


def test_a_sweep_says_whether_it_was_tuned(whole):
    assert any("One recipe" in text or "one recipe" in text for text in methods.protocol(whole))


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [(3.8e-15, -0.1, 0.1, "0"), (4.41, -5.2, 14.0, "4.4"), (-0.39, -0.58, -0.2, "−0.39"), (0.64, 0.39, None, "0.64")],
)
def test_digits_beside_an_interval(value, low, high, text):
    assert beside(value, low, high) == text
