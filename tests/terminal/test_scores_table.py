"""Tables by family and depth on narrow terminals: nothing that tells rows apart is cut, no number either."""

import math
from io import StringIO

import pandas as pd
import pytest
from rich.console import Console

from skipray.results.scores import scores_by_now, scores_of
from skipray.spec import Cell, Group, SweepSpec, sweep_of
from skipray.terminal.blocks import Grid, as_json, from_json
from skipray.terminal.scores_table import scores_table, state_grid

RATES = [0.0123456, 0.0123457, 0.0123458]


def sweep(depths: list[int]) -> SweepSpec:
    model = {"kind": "mlp", "width": 8, "initialisation": "he_normal", "activation": "relu", "residual_scale": 1}
    recipe = {"epochs": 1, "batch_size": 64, "momentum": 0.9, "weight_decay": 0.0, "schedule": "constant"}
    factors = {"architecture": ["plainnet", "resnet"], "depth": depths, "normalization": ["layer", "none"]}
    return sweep_of({
        "name": "wide", "question": "q", "dataset": {"name": "digits"}, "model": model, "seeds": [0, 1, 2],
        "recipe": recipe | {"augmentation": "none"}, "factors": factors | {"learning_rate": RATES},
    })  # fmt: skip


def shown(grid: Grid | None, width: int) -> list[str]:
    assert grid is not None
    out = StringIO()
    Console(file=out, width=width, highlight=False).print(grid)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def read(made: SweepSpec, metric: str = "accuracy", seeds: tuple[int, ...] = (0, 1, 2)) -> pd.DataFrame:
    rows = [
        {"trial_id": t.trial_id, f"train.{metric}": t.model.depth / 1000, f"test.{metric}": 0.5}
        for t in made.trials()
        if t.seed in seeds
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_every_depth_and_every_value_is_there(width: int) -> None:
    depths = [8, 14, 20, 26, 32, 38, 44, 56, 74, 110, 146, 182, 218, 254, 302]
    made = sweep(depths)
    scores = scores_by_now(made, made.trials(), read(made))
    for grid in (scores_table(scores), state_grid(made.trials(), {})):
        lines = shown(grid, width)
        assert max(map(len, lines)) <= width
        text = " ".join(lines)
        assert "…" not in text
        heads = [line.split() for line in lines if "depth" in line]
        assert [int(word) for head in heads for word in head if word.isdigit()] == depths
        names = {f"learning_rate={rate}" for rate in RATES}
        assert all(sum(word.startswith(name) for word in text.split()) >= 2 * len(heads) for name in names)
    means = shown(scores_table(scores), width)
    assert sum(word == f"{depth / 1000:.3f}" for line in means for word in line.split() for depth in depths) == 12 * 15


def test_a_mean_of_some_seeds_says_of_how_many() -> None:
    made = sweep([8, 14])
    trials = read(made, seeds=(0, 1))
    trials.loc[0, "train.accuracy"] = math.nan  # it diverged
    scores = scores_by_now(made, made.trials(), trials)
    first, last = scores.cells[0], scores.cells[-1]
    assert (first.seeds, first.scored) == (3, 2)
    assert first.means["train"] == pytest.approx(0.008)
    assert last.scored == 2
    lines = shown(scores_table(scores), 100)
    assert "0.014 2/3" in lines[1]
    records = scores.records(made.factor_names)
    assert records[0] == {
        "architecture": "plainnet", "depth": 8, "normalization": "layer", "learning_rate": RATES[0],
        "metric": "accuracy", "seeds": 3, "scored": 2, "diverged": 0, "train": pytest.approx(0.008), "test": 0.5,
    }  # fmt: skip
    empty = scores_by_now(made, made.trials(), trials.iloc[:0])
    assert scores_table(empty) is None
    trials = read(made)
    trials.loc[0, "test.accuracy"] = math.nan
    train, test = shown(scores_table(scores_by_now(made, made.trials(), trials)), 100)[1:3]
    assert "2/3" not in train
    assert "0.500 2/3" in test, "each mean says what it is over itself"
    assert [c.scored for c in empty.cells] == [0] * 24


def test_a_network_that_diverged_has_no_score() -> None:
    """Its last one is that of the network before."""
    made = sweep([8, 14])
    trials = read(made).assign(outcome="trained")
    deep = trials["trial_id"].map({t.trial_id: t.cell for t in made.trials()}).map(lambda cell: cell.depth == 14)
    trials.loc[deep, "outcome"] = "diverged"
    trials.loc[0, "outcome"] = "diverged"
    scores = scores_by_now(made, made.trials(), trials)
    found = [(c.cell.depth, c.diverged, c.scored) for c in scores.cells]
    assert found[0] == (8, 1, 2)
    assert set(found[1:]) == {(8, 0, 3), (14, 3, 0)}
    lines = shown(scores_table(scores), 100)
    assert lines[1].split()[-3:] == ["0.008", "2/3", "div."]
    assert "div.: each seed that has finished diverged" in " ".join(lines)
    trials["outcome"] = "diverged"
    assert scores_table(scores_by_now(made, made.trials(), trials)) is not None


def test_what_nothing_has_trained_has_no_accuracy() -> None:
    made = sweep([8, 14])
    trials = read(made).assign(**{"recipe.epochs": 0})
    assert scores_table(scores_by_now(made, made.trials(), trials)) is None
    trials.loc[0, "recipe.epochs"] = 1
    assert [c.scored for c in scores_by_now(made, made.trials(), trials).cells].count(1) == 1


def test_what_a_family_says_of_its_depth_is_no_markup() -> None:
    made = sweep([8])
    grid = scores_table(scores_by_now(made, made.trials(), read(made)), "depth ([/red] [b]locks)")
    assert shown(grid, 80)[1].startswith("([/red] [b]locks)")


def test_values_have_losses() -> None:
    made = sweep([8])
    scores = scores_by_now(made, made.trials(), read(made, "loss"))
    assert scores.metric == "loss"
    assert shown(scores_table(scores), 80)[0].split() == ["loss", "at", "depth", "8"]


def test_a_table_that_was_kept_is_shown_as_wide_as_the_terminal_is() -> None:
    cells = {Cell(Group("resnet"), depth): 1 for depth in range(1, 40)}
    trials = pd.DataFrame({"trial_id": [str(c.depth) for c in cells], "train.accuracy": 0.5, "test.accuracy": 0.5})
    grid = scores_table(scores_of(cells, trials, {str(c.depth): c for c in cells}))
    assert grid is not None
    (again,) = from_json(as_json([grid]))
    assert again == grid
    assert len(shown(grid, 300)) < len(shown(grid, 80))
