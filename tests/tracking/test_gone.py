"""What somebody has deleted or renamed in MLflow is told with what undoes it, and nothing begins from nothing."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow import MlflowClient

from skipray import launch, tracking
from skipray.tracking.read.sweep_run import find_sweep_run

VERBS = ("status", "plan", "aggregate", "report", "launch", "compare", "watch", "twins", "measure", "export")
NOW = "kept [old] runs"
Undo = Callable[[MlflowClient, tracking.Address], None]
HANDS: dict[str, tuple[Undo, str]] = {
    "experiment deleted": (lambda c, a: c.delete_experiment(a.experiment_id), "mlflow experiments restore -x {0}`"),
    "experiment renamed": (
        lambda c, a: c.rename_experiment(a.experiment_id, NOW), "mlflow experiments rename -x {0} --new-name toy`"
    ),
    "run deleted": (lambda c, a: c.delete_run(a.parent_run_id), "mlflow runs restore --run-id {1}`"),
}  # fmt: skip
"""What is done by hand, and the command that undoes it, of experiment {0} and run {1}."""


@pytest.fixture(params=["sqlite", "server"])
def store(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite"))
    return f"http://127.0.0.1:{request.getfixturevalue('server_port')}"


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A sweep's of its own, since the server is shared."""
    return "toy-" + re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[-40:]


def tracked(uri: str, toys: SimpleNamespace, name: str) -> tuple[SimpleNamespace, tracking.Address]:
    """A sweep with one finished trial of two."""
    sweep = toys.sweep(name, depths=(8,), seeds=(0, 1))
    toys.record_one(sweep, sweep.trials()[0], uri)
    return sweep, tracking.prepare(sweep, uri)


@pytest.mark.parametrize("how", HANDS)
def test_it_is_told_and_the_doctor_undoes_it(store: str, name: str, toys: SimpleNamespace, how: str) -> None:
    sweep, address = tracked(store, toys, name)
    assert tracking.gone(store, name) is None
    assert tracking.gone(store, "of-no-such-name") is None
    by_hand, command = HANDS[how]
    mlflow = MlflowClient(store)
    by_hand(mlflow, address)
    found = tracking.gone(store, name)
    assert found is not None
    assert found.how == how
    assert command.format(address.experiment_id, address.parent_run_id).replace("toy", name) in str(found)
    with pytest.raises(tracking.TrackingRefused, match=re.escape(str(found))):
        tracking.prepare(sweep, store)
    (finding,) = tracking.examine(sweep, store)
    assert finding.kind == how.split()[1]
    assert tracking.repair(sweep, [finding], store) == [finding]
    assert tracking.gone(store, name) is None
    assert tracking.prepare(sweep, store) == address
    assert list(tracking.states(sweep, store).values()) == ["finished"]
    mlflow.delete_experiment(address.experiment_id)  # the server is shared


@pytest.mark.parametrize("how", HANDS)
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_tells_it_and_writes_nothing(
    sqlite: str, toys: SimpleNamespace, verb: str, how: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = (Path(__file__).parents[2] / "sweeps" / "quickstart.yaml").read_text()
    (tmp_path / "toy.yaml").write_text(text.replace("name: quickstart", "name: toy"))
    _, address = tracked(sqlite, toys, "toy")
    HANDS[how][0](MlflowClient(sqlite), address)
    command = HANDS[how][1].format(address.experiment_id, address.parent_run_id)
    words = {"launch": ["toy.yaml"], "export": ["toy"]}  # a launch starts Ray meanwhile; an export knows no files
    for word in words.get(verb, ["toy.yaml", "toy"]):
        assert launch.run([verb, word, *([word] if verb == "compare" else []), "--tracking-uri", sqlite]) == 2
        said = capsys.readouterr().err
        assert f"`MLFLOW_TRACKING_URI={sqlite} {command}" in said
        assert "of its 54 trials" not in said, "it would not run them again: it refuses to"
    assert not (tmp_path / "reports").exists()
    experiments = {e.name for e in MlflowClient(sqlite).search_experiments()}
    assert experiments <= {"Default", "toy", NOW}
    assert len(experiments) == (1 if how == "experiment deleted" else 2)


def test_the_list_names_the_sweep_and_where_it_is(
    sqlite: str, toys: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    _, address = tracked(sqlite, toys, "toy")
    tracked(sqlite, toys, "other")
    MlflowClient(sqlite).rename_experiment(address.experiment_id, NOW)
    assert tracking.tracked_sweeps(sqlite) == ["other"], "what a verb can open"
    assert launch.run(["list", "--tracking-uri", sqlite]) == 0
    assert f"toy (its experiment was renamed to '{NOW}' in MLflow)" in " ".join(capsys.readouterr().out.split())
    assert launch.run(["list", "--json", "--tracking-uri", sqlite]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["store"], told["renamed"]) == (["other"], {"toy": NOW})


def test_a_sweep_whose_old_experiment_was_put_aside_before_goes_on(sqlite: str, toys: SimpleNamespace) -> None:
    """As skipray let it before: two experiments, of which one has the sweep's name."""
    sweep, address = tracked(sqlite, toys, "toy")
    mlflow = MlflowClient(sqlite)
    mlflow.rename_experiment(address.experiment_id, NOW)
    mlflow.create_experiment("toy", tags={"skipray.sweep": "toy"})
    assert tracking.gone(sqlite, "toy") is None
    assert tracking.prepare(sweep, sqlite).experiment_id != address.experiment_id
    assert tracking.renamed_sweeps(sqlite) == {}


def test_trials_under_a_deleted_run_of_the_sweep_are_put_under_the_one_of_now(
    store: str, name: str, toys: SimpleNamespace
) -> None:
    """As a launch of before left them: the sweep's run was deleted, the next launch made a new one."""
    sweep, address = tracked(store, toys, name)
    mlflow = MlflowClient(store)
    mlflow.delete_run(address.parent_run_id)
    tags = {"skipray.kind": "sweep", "skipray.sweep": name}
    later = mlflow.create_run(address.experiment_id, tags=tags).info.run_id
    toys.record_one(sweep, sweep.trials()[1], store)  # by a launch that has known the run of before all along
    mlflow.create_run(address.experiment_id, tags={"mlflow.parentRunId": address.parent_run_id})  # somebody's own
    (finding,) = tracking.examine(sweep, store)
    assert finding.kind == "stray"
    assert finding.what.startswith(
        f"2 runs of trials under {address.parent_run_id}, a run of the sweep's own that was del"
    )
    assert tracking.repair(sweep, [finding], store) == [finding]
    assert tracking.examine(sweep, store) == []
    found = mlflow.search_runs([address.experiment_id], f"tags.`mlflow.parentRunId` = '{later}'")
    assert {run.data.tags["skipray.trial_id"] for run in found} == {t.trial_id for t in sweep.trials()[:2]}
    mlflow.delete_experiment(address.experiment_id)


def test_a_sweep_all_of_whose_runs_were_deleted_begins_anew(
    sqlite: str, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skipray.tracking.write.experiment.MAKER_SECONDS", 0.0)
    sweep, address = tracked(sqlite, toys, "toy")
    for run in MlflowClient(sqlite).search_runs([address.experiment_id]):
        MlflowClient(sqlite).delete_run(run.info.run_id)
    assert tracking.gone(sqlite, "toy") is None
    assert find_sweep_run(sqlite, "toy") is None
    assert tracking.prepare(sweep, sqlite).parent_run_id != address.parent_run_id
