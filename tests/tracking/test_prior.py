"""Results from elsewhere as a sweep: aggregated like any other, with nothing made up for what they do not say."""

import hashlib
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from skipray import tracking
from skipray.analysis.aggregation import aggregate
from skipray.analysis.predicted_limit import of_groups
from skipray.report.caveats import caveats
from skipray.report.coverage import coverage_map
from skipray.report.groups import lay_out
from skipray.report.methods import protocol
from skipray.report.provenance import fixed_settings, provenance_rows
from skipray.spec import SweepSpec, load_sweep
from skipray.tracking.exchange.prior import import_table, read_rows
from skipray.tracking.exchange.table import BadTable


def load_by_name(name: str, uri: str) -> SweepSpec:
    stored = tracking.stored_sweep(name, uri)
    assert stored is not None
    return stored.sweep


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
    told = read.rename(columns={"model.width": "width"})
    assert told[COLUMNS].to_numpy().tolist() == [list(row) for row in ROWS]
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


def test_a_table_that_is_imported_again_without_its_chance_is_known_with_it(sqlite: str, tmp_path: Path) -> None:
    path, said = table(tmp_path / "paper.csv"), list[str]()
    import_table(path, "paper", sqlite, chance=0.1)
    again = import_table(path, "paper", sqlite, say=said.append)
    assert (again.runs, again.known) == (0, 24)
    assert said == [
        f"{path}: taken with --chance 0.1, as it was imported before; under another --name it may go without"
    ]
    assert import_table(path, "paper", sqlite, chance=0.2).runs == 24, "another chance is asked for"
    assert import_table(path, "plainly", sqlite).runs == 24
    assert import_table(path, "plainly", sqlite).known == 24


def test_a_parquet_says_more(sqlite: str, tmp_path: Path) -> None:
    path = table(tmp_path / "old.parquet", outcome="diverged", epochs=160, parameters=1000, normalization="batch")
    import_table(path, "old", sqlite, dataset="cifar10")
    read = tracking.read_trials("old", sqlite)
    assert set(read["outcome"]) == {"diverged"}
    assert set(read["recipe.epochs"]) == {160}
    assert set(read["model.normalization"]) == {"batch"}
    assert set(read["dataset.name"]) == {"cifar10"}
    assert not {"recipe.learning_rate", "model.kind"} & set(read.dropna(axis=1).columns)


def test_no_default_of_ours_is_a_setting_of_theirs(sqlite: str, tmp_path: Path) -> None:
    """Not in the trials, not in MLflow's params, and not in the report, which says where the results are from."""
    import_table(table(tmp_path / "paper.csv", normalization="batch", kind="mlp"), "paper", sqlite, chance=0.25)
    read = tracking.read_trials("paper", sqlite)
    of_trials = {c for c in read.columns if c.startswith(("model.", "recipe.", "dataset.", "resources.", "probe."))}
    told = {"model.architecture", "model.depth", "model.width", "model.normalization", "model.kind"}
    assert of_trials <= told | {"dataset.name", "dataset.fingerprint", "probe.preset"} | {"model.parameters"}
    run = MlflowClient(sqlite).get_run(
        next(iter(tracking.winning_runs(load_by_name("paper", sqlite), sqlite).values()))
    )
    assert set(run.data.params) <= of_trials | {"seed", "probe.preset"}
    made = aggregate(load_by_name("paper", sqlite), sqlite)
    settings = dict(fixed_settings(made))
    assert set(settings) <= told | {"dataset.name"}
    digest = hashlib.sha256((tmp_path / "paper.csv").read_bytes()).hexdigest()
    assert ("imported from", f"paper.csv, sha256 {digest}") in provenance_rows(made)
    words = " ".join([*caveats(made, coverage_map(made, lay_out(made))), *protocol(made)])
    assert "obtained elsewhere" in words
    assert not any(claim in words for claim in ("One recipe", "probe samples", "test data", "first weights"))
    assert {limit.premise for limit in of_groups(made.sweep).values()} != {""}


def test_a_table_of_names_like_code_is_of_no_version_of_ours(sqlite: str, tmp_path: Path) -> None:
    """A revision of skipray's numbers moves no id of results from elsewhere, and nothing is said of them."""
    path = tmp_path / "own.csv"
    path.write_text("architecture,depth,seed,dropout,test.accuracy\nnets:vit,8,0,0.1,.5\nnets:vit,8,1,0.2,.6\n")
    rows = read_rows(path, "own", "unknown")
    assert {row.trial.numerics_version for row in rows} == {1}
    import_table(path, "own", sqlite)
    stored = tracking.stored_sweep("own", sqlite)
    assert stored is not None
    assert tracking.outdated(stored.sweep, sqlite, stored.sweep.trials()) == []
    again = import_table(path, "own", sqlite)
    assert (again.runs, again.known) == (0, 2)


def test_ids_of_a_table_are_what_they_were_with_the_defaults(tmp_path: Path) -> None:
    """A table that was imported before is found again: what it does not say stands in its ids as it did then."""
    path = tmp_path / "x.csv"
    path.write_text("architecture,depth,seed,train.accuracy\nresnet,8,0,0.5\n")
    assert [row.trial.trial_id for row in read_rows(path, "x", "unknown")] == ["35bdcf92ea844b77da80ee550740f5d3"]


@pytest.mark.parametrize("name", ["", " ", "a\x1b[31mb", "two\nlines", "x" * 300])
def test_a_data_set_has_a_name_of_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadTable, match="--dataset: found "):
        read_rows(table(tmp_path / "x.csv"), "x", name)


def test_what_is_assumed_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    read_rows(table(tmp_path / "x.csv"), "x", "unknown", None, said.append)
    assert "every row counts as trained" in said[0]
    read_rows(table(tmp_path / "x.csv"), "x", "cifar10", None, said.append)
    assert "by the chance of cifar10" in said[1], "which limits are counted from"


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


HEAD = "architecture,depth,seed,"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train.accuracy\nresnet,8,0,0.9\nresnet,8,1,95.2\n", "row 2: train.accuracy: found 95.2; allowed: a share"),
        ("train.accuracy\nresnet,8,0,0.9\nresnet,8,1,inf\n", "row 2: train.accuracy: found inf; allowed: a share"),
        ("train.accuracy,train.accuracy\nresnet,8,0,.9,.8\n", "column train.accuracy twice"),
        ("width,model.width\nresnet,8,0,16,32\n", "column width twice"),
        ("model.depth\nresnet,8,0,16\n", "column depth twice"),
        ("width\nresnet,8,0,wide\n", "row 1: width: found 'wide'; allowed: an integer"),
        ("learning_rate\nresnet,8,0,-3\n", "row 1: learning_rate: found -3"),
        ("loss\nresnet,8,0,0.12\n", "row 1: loss: found 0.12; allowed: a name"),
        ("F1 [%]\nresnet,8,0,0.5\n", "allowed as a metric's name"),
        ("profile.rank\nresnet,8,0,0.5\n", "found the column profile.rank"),
        ("options\nresnet,8,0,x\n", "found the column options"),
        ("train.accuracy\nresnet,8,True,.9\nresnet,8,False,.9\n", "row 1: seed: found true"),
        ("train.accuracy\nresnet,1e30,0,.9\n", "row 1: depth: found 1e.30; allowed: an integer of at least 1 and"),
        ('train.accuracy\n"a\nb",8,0,.9\n', "row 1: architecture: found .*one line"),
        ("train.accuracy\nresnet,8,0,.9,1,2\n", "row 1: found more values than the header"),
        ("train.accuracy\nresnet,8,0,.9\n\nresnet,8,1,.9,,2\n", "row 2: found more values than the header"),
        ('train.accuracy\nresnet,8,0,.9\n"a, b",8,1,.9, "1"\n', "row 2: found more values than the header"),
        ("time.train_seconds\nresnet,8,0,fast\n", "row 1: time.train_seconds: found 'fast'"),
        ("epochs,train.accuracy\nresnet,8,0,5,.9\nresnet,8,0,160,.8\n", "row 2: found the trial of row 1 again"),
    ],
)
def test_what_would_be_read_as_something_else_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(HEAD + text)
    with pytest.raises(BadTable, match=message):
        read_rows(path, "bad", "unknown")


def test_another_separator_and_other_letters_are_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("architecture;depth;seed\nresnet;8;0\n")
    with pytest.raises(BadTable, match="separated by ';'"):
        read_rows(path, "bad", "unknown")
    path.write_bytes("architecture,depth,seed\nrésnet,8,0\n".encode("latin1"))
    with pytest.raises(BadTable, match="allowed: UTF-8"):
        read_rows(path, "bad", "unknown")
    with pytest.raises(BadTable, match="--chance: found 25"):
        read_rows(path, "bad", "unknown", 25)


def test_nested_and_missing_values_of_a_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame({"architecture": ["a", "b"], "depth": [8, 8], "seed": [0, 0], "widths": [[16, 32], None]})
    frame["outcome"] = pd.array(["trained", pd.NA], dtype="string")
    path = tmp_path / "x.parquet"
    frame.set_index(["architecture", "depth"]).to_parquet(path)
    one, two = read_rows(path, "x", "unknown")
    assert (one.trial.model.widths, two.trial.model.widths) == ((16, 32), None)
    assert (one.outcome, two.outcome) == ("trained", "diverged")
    frame.assign(curve=[[1, 2], [3]]).to_parquet(path)
    with pytest.raises(BadTable, match=r"column curve with what is no number \(row 1"):
        read_rows(path, "x", "unknown")


def test_networks_are_called_what_a_table_calls_them(tmp_path: Path) -> None:
    """NA, None and null are gaps in every other column."""
    names = ["NA", "None", "null", "nan", "n/a", "7"]
    path = tmp_path / "names.csv"
    rows = "".join(f"{name},8,0,NA,{'relu' if i else 'NA'}\n" for i, name in enumerate(names))
    path.write_text(f"architecture,depth,seed,test.accuracy,activation\n{rows}")
    found = read_rows(path, "names", "unknown")
    assert [row.trial.model.architecture for row in found] == names
    assert [row.trial.model.activation for row in found[:2]] == [None, "relu"]


def test_an_infinite_value_is_one_of_a_run_that_diverged(tmp_path: Path) -> None:
    path = tmp_path / "inf.csv"
    path.write_text(
        "architecture,depth,seed,train.loss,test.accuracy,outcome\na,8,0,inf,0.5,\na,8,1,2,0.5,\na,8,2,inf,.5,trained\n"
    )
    found = read_rows(path, "inf", "unknown")
    assert [row.outcome for row in found] == ["diverged", "trained", "trained"]
    assert [row.metrics.get("train.loss") for row in found] == [None, 2.0, None]


def test_fields_of_all_kinds_are_factors(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(
        "\ufeff,architecture, depth,seed,dataset,dataset.options.noise,options.heads,residual_scale,normalization\n"
        "0,vit, 8,0,cifar10,0.5,4,0.5,group\n1,vit, 8,0,cifar100,0.25,2,learned,none\n"
    )
    one, two = (row.trial.cell.values for row in read_rows(path, "x", "unknown"))
    assert one == {"architecture": "vit", "depth": 8, "dataset": "cifar10"} | {
        "dataset.options.noise": 0.5,
        "options.heads": 4,
        "residual_scale": 0.5,
        "normalization": "group",
    }
    assert two == {"architecture": "vit", "depth": 8, "dataset": "cifar100"} | {
        "dataset.options.noise": 0.25,
        "options.heads": 2,
        "residual_scale": "learned",
        "normalization": "none",
    }
    with pytest.raises(BadTable, match="--dataset: found digits, and a column dataset"):
        read_rows(path, "x", "digits")


def test_what_all_results_share_is_no_factor(tmp_path: Path) -> None:
    """Nor what only some families have, where those share it: every label would repeat it."""
    path = tmp_path / "x.csv"
    path.write_text(
        "architecture,depth,seed,width,activation,cardinality,recipe.momentum\n"
        "plainnet,8,0,64,relu,,0.9\nresnext,8,0,64,tanh,4,0.9\nresnext,8,1,64,relu,4,0.9\n"
    )
    rows = [row.trial for row in read_rows(path, "x", "unknown")]
    assert [trial.cell.group.label for trial in rows] == [
        "plainnet activation=relu",
        "resnext activation=tanh",
        "resnext activation=relu",
    ]
    assert {(trial.model.width, trial.recipe.momentum) for trial in rows} == {(64, 0.9)}
    assert [trial.model.cardinality for trial in rows] == [None, 4, 4]


def test_chance_decides_what_fits_and_its_absence_is_said(sqlite: str, tmp_path: Path) -> None:
    bound = {"hidden.log10_condition.median": 3.0, "hidden.log10_condition.median.censored": 1}
    path, said = table(tmp_path / "x.csv", note=1, **bound), list[str]()
    import_table(path, "x", sqlite, say=said.append)
    assert "only kept" in said[1]
    assert said[1].endswith("...): note"), "a bound is read with its value"
    assert said[1].endswith("note")
    stored = tracking.stored_sweep("x", sqlite)
    assert stored is not None
    fits, learns, *_ = (one.definition.sentence for one in aggregate(stored.sweep).limit_tables)
    assert "unless its record says otherwise" in fits
    assert "unknown" not in fits + learns
    import_table(path, "x", sqlite, chance=0.1, say=said.append)
    assert "24 results of the table as it was imported before" in said[-1]
    stored = tracking.stored_sweep("x", sqlite)
    assert stored is not None
    assert len(stored.sweep.trials()) == 24
    limits = {group.architecture: limit for group, limit in aggregate(stored.sweep).limits}
    limit = limits["plain"].depth
    assert limit is not None
    assert 40 < limit < 80, "0.59 fits at depth 40, 0.19 does not at 80"


def test_a_launched_sweep_is_not_hidden_by_a_table(sqlite: str, tmp_path: Path) -> None:
    sweep = load_sweep("quickstart")
    address = tracking.open_sweep(sweep, sqlite)
    tracking.write_manifest(address, sweep, sweep.trials()[:2], {})
    with pytest.raises(BadTable, match="--name quickstart: found a sweep of 2 trials that is no table's"):
        import_table(table(tmp_path / "x.csv"), "quickstart", sqlite)
