"""Results from elsewhere as a sweep: aggregated like any other, with nothing made up for what they do not say."""

from pathlib import Path

import pandas as pd
import pytest

from skipray import tracking
from skipray.analysis.aggregation import aggregate
from skipray.tracking.exchange.prior import BadTable, import_table, read_rows

ROWS = [
    (family, depth, seed, width, 1 - 0.01 * depth * (family == "plain") - 0.001 * seed)
    for family in ("plain", "theirs")
    for depth in (10, 20, 40, 80)
    for seed in (0, 1, 2)
    for width in (32,)
]
COLUMNS = ["architecture", "depth", "seed", "width", "train.accuracy"]


def table(path: Path, **more: object) -> Path:
    frame = pd.DataFrame(ROWS, columns=COLUMNS).assign(**more)
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return path


def test_published_results_are_aggregated(sqlite: str, tmp_path: Path) -> None:
    made = import_table(table(tmp_path / "paper.csv"), "paper", sqlite, chance=0.25)
    assert (made.runs, made.known) == (24, 0)
    read = tracking.read_trials("paper", sqlite)
    assert read[COLUMNS].to_numpy().tolist() == [list(row) for row in ROWS]
    assert set(read["outcome"]) == {"trained", "untrained"}
    stored = tracking.stored_sweep("paper", sqlite)
    assert stored is not None
    result = aggregate(stored.sweep)
    limits = {group.architecture: limit for group, limit in result.limits}
    assert limits["plain"].censored == "none"
    assert limits["theirs"].censored == "above"
    assert {s.metric for s in result.series} == {"train.accuracy"}
    assert tracking.examine(stored.sweep, sqlite) == []
    assert import_table(tmp_path / "paper.csv", "paper", sqlite, chance=0.25).runs == 0


def test_a_parquet_says_more(sqlite: str, tmp_path: Path) -> None:
    path = table(tmp_path / "old.parquet", outcome="diverged", epochs=160, parameters=1000, normalization="batch")
    import_table(path, "old", sqlite, dataset="cifar10")
    read = tracking.read_trials("old", sqlite)
    assert set(read["outcome"]) == {"diverged"}
    assert set(read["recipe.epochs"]) == {160}
    assert set(read["normalization"]) == {"batch"}
    assert set(read["dataset.name"]) == {"cifar10"}
    assert not {"recipe.learning_rate", "model.kind"} & set(read.dropna(axis=1).columns)


def test_what_is_assumed_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    read_rows(table(tmp_path / "x.csv"), "x", "unknown", None, said.append)
    assert "every row counts as trained" in said[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("architecture,depth\nresnet,8\n", "no column seed"),
        ("architecture,depth,seed\nresnet,8.5,0\n", "row 1: depth: found 8.5"),
        ("architecture,depth,seed\nresnet,8,-1\n", "row 1: seed: found -1"),
        ("architecture,depth,seed\n,8,1\n", "row 1: architecture: found nothing"),
        ("architecture,depth,seed,outcome\nresnet,8,1,fine\n", "row 1: outcome: found 'fine'; allowed: trained"),
        ("architecture,depth,seed\nresnet,8,1\nresnet,8,1\n", "row 2: found the trial of row 1 again"),
        ("architecture,depth,seed,test.accuracy\nresnet,8,1,good\n", "column test.accuracy with texts"),
        ("architecture,depth,seed\n", "found no row"),
        ("", "cannot be read as a table"),
    ],
)
def test_a_mistake_is_named_with_its_row(tmp_path: Path, sqlite: str, text: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(BadTable, match=message):
        import_table(path, "bad", sqlite)
    assert tracking.find_sweep_run(sqlite, "bad") is None
