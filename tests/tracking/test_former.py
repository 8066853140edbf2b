"""Edited code: what counts as the same is found, what does not is named, and what is accepted stays accepted."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow import MlflowClient

from skipray import launch, tracking
from skipray.scheduling.work.events import Summary
from skipray.spec import SweepSpec
from skipray.spec.former import former_ids
from skipray.tracking.read.ledger import child_runs

PARTS = {"nets: vit": "0", "nets: vit.build": "1", "nets: helper": "2"}


def with_code(
    toys: SimpleNamespace, *, code: str, files: str = "f" * 64, parts: dict[str, str] = PARTS, **options: Any
) -> SweepSpec:
    """A sweep of a user's own family, whose code has these hashes."""
    sweep = toys.sweep(**options)
    cells = tuple(
        replace(c, model=c.model.model_copy(update={"architecture": "nets:vit"}), source_hashes=(("nets:vit", code),))
        for c in sweep.cells
        if c.model.architecture == "resnet"
    )
    sources = {"nets:vit": {"hash": code, "files": files, "parts": parts}}
    factors = {**sweep.factors, "architecture": ("nets:vit",)}
    return replace(sweep, cells=cells, sources=sources, factors=factors)


def finish(toys: SimpleNamespace, sweep: SweepSpec, uri: str) -> None:
    address = tracking.prepare(sweep, uri)
    for trial in sweep.trials():
        toys.record_one(sweep, trial, uri)
    tracking.write_manifest(address, sweep, sweep.trials(), {})


def test_trials_of_whole_file_hashes_are_found_where_the_files_are_the_same(sqlite: str, toys: SimpleNamespace) -> None:
    """skipray 0.1 hashed files; its runs carry ids with those hashes."""
    old = with_code(toys, code="f" * 64)
    for trial in old.trials():
        toys.record_one(old, trial, sqlite)
    now = with_code(toys, code="a" * 64, files="f" * 64)
    assert {t.trial_id for t in now.trials()}.isdisjoint(t.trial_id for t in old.trials())
    assert set(tracking.states(now, sqlite).values()) == {"finished"}
    assert len(tracking.read_trials(now, sqlite)) == len(now.trials())
    assert tracking.outdated(now, sqlite, now.trials()) == []
    edited = with_code(toys, code="b" * 64, files="e" * 64)
    assert tracking.states(edited, sqlite) == {}


def test_edited_code_is_named_and_taken_only_when_accepted(sqlite: str, toys: SimpleNamespace) -> None:
    finish(toys, with_code(toys, code="a" * 64), sqlite)
    now = with_code(toys, code="b" * 64, files="e" * 64, parts=PARTS | {"nets: vit.build": "9"})
    (found,) = tracking.outdated(now, sqlite, now.trials())
    assert str(found) == (
        "4 finished with another nets:vit; changed: vit.build; --accept-code takes them as this code's"
    )
    assert [f.what for f in tracking.examine(now, sqlite) if f.kind == "other code"] == [str(found)]
    assert tracking.states(now, sqlite) == {}
    assert tracking.accept_code(now, sqlite, [found]) == [found]
    assert tracking.outdated(now, sqlite, now.trials()) == []
    assert set(tracking.states(now, sqlite).values()) == {"finished"}
    (accepted,) = tracking.accepted_code(now, sqlite)
    assert (accepted.trials, accepted.changed) == (4, ("vit.build",))
    assert not [f for f in tracking.examine(now, sqlite) if f.kind == "orphan"]


def test_what_was_accepted_is_accepted_after_the_next_acceptance(sqlite: str, toys: SimpleNamespace) -> None:
    finish(toys, with_code(toys, code="a" * 64), sqlite)
    for code in ("b" * 64, "c" * 64):
        now = with_code(toys, code=code, files=code)
        tracking.write_manifest(tracking.open_sweep(now, sqlite), now, now.trials(), {})
        tracking.accept_code(now, sqlite, tracking.outdated(now, sqlite, now.trials()))
        assert set(tracking.states(now, sqlite).values()) == {"finished"}, code


def test_results_of_another_recipe_are_not_those_of_other_code(sqlite: str, toys: SimpleNamespace) -> None:
    finish(toys, with_code(toys, code="a" * 64, learning_rate=0.5), sqlite)
    now = with_code(toys, code="b" * 64)
    assert tracking.outdated(now, sqlite, now.trials()) == []


def test_an_older_version_of_the_numerics_is_told_and_not_accepted(sqlite: str, toys: SimpleNamespace) -> None:
    sweep = toys.sweep()
    old = replace(sweep, cells=tuple(replace(c, stored_numerics=0) for c in sweep.cells))
    finish(toys, old, sqlite)
    (found,) = tracking.outdated(sweep, sqlite, sweep.trials())
    assert str(found) == "8 finished with version 0 of skipray's numerics; this is version 1"
    assert tracking.accept_code(sweep, sqlite, [found]) == []


def test_what_a_store_says_of_itself_names_an_older_version_of_the_numerics(
    sqlite: str, toys: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its name: all its trials are its own, and still they are not what this skipray would compute."""
    sweep = toys.sweep()
    old = replace(sweep, cells=tuple(replace(c, stored_numerics=0) for c in sweep.cells))
    finish(toys, old, sqlite)
    tracking.write_manifest(tracking.open_sweep(old, sqlite), old, old.trials(), {})
    capsys.readouterr()
    assert launch.run(["status", "toy", "--tracking-uri", sqlite, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["said"] == ["8 finished with version 0 of skipray's numerics; this is version 1"]


def test_an_older_version_of_the_numerics_is_told_by_the_runs_alone(sqlite: str, toys: SimpleNamespace) -> None:
    """Without any manifest: a run says its version, and one of a skipray that did not say it yet is of the first."""
    later = toys.sweep()
    later = replace(later, cells=tuple(replace(c, stored_numerics=7) for c in later.cells))
    one, another = toys.sweep(seeds=(0,)), toys.sweep(seeds=(1,))
    another = replace(another, cells=tuple(replace(c, stored_numerics=3) for c in another.cells))
    for sweep in (one, another):
        for trial in sweep.trials():
            toys.record_one(sweep, trial, sqlite)
    client = MlflowClient(sqlite)
    for row in child_runs(sqlite, "toy"):
        if row.numerics == 1:
            client.delete_tag(row.run_id, "skipray.numerics")
    said = {found.old: found.finished for found in tracking.outdated(later, sqlite, later.trials())}
    assert said == {"1": len(one.trials()), "3": len(another.trials())}
    assert {str(found).split(" of ")[1] for found in tracking.outdated(later, sqlite, later.trials())} == {
        "skipray's numerics; this is version 7"
    }


def test_measure_says_what_is_finished_with_other_code(
    sqlite: str, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finish(toys, with_code(toys, code="a" * 64), sqlite)
    now = with_code(toys, code="b" * 64, files="e" * 64, parts=PARTS | {"nets: vit.build": "9"})
    monkeypatch.setattr(sys.modules["skipray.verbs.measure"], "load_to_build", lambda *given: now)
    assert launch.run(["measure", "toy", "--tracking-uri", sqlite]) == 2
    said = capsys.readouterr().err
    assert "4 finished with another nets:vit; changed: vit.build; --accept-code takes them as this code's" in said
    assert "found no finished run of the sweep as it is now in " in said
    measured = Summary(4, (), 0, False, 0.0, 0.0, 0.0)
    monkeypatch.setattr("skipray.execution.measuring._run", lambda *given, **named: (measured, []))
    assert launch.run(["measure", "toy", "--tracking-uri", sqlite, "--accept-code", "--preset", "full"]) == 0
    assert "4 trials of another nets:vit are taken as this code's" in capsys.readouterr().err


def test_the_store_reads_itself_by_name_after_an_acceptance(sqlite: str, toys: SimpleNamespace) -> None:
    finish(toys, with_code(toys, code="a" * 64), sqlite)
    now = with_code(toys, code="b" * 64, files="e" * 64)
    tracking.accept_code(now, sqlite, tracking.outdated(now, sqlite, now.trials()))
    tracking.write_manifest(tracking.open_sweep(now, sqlite), now, now.trials(), {})
    assert len(tracking.read_trials("toy", sqlite)) == 4


def test_a_damaged_acceptance_accepts_nothing(sqlite: str, toys: SimpleNamespace) -> None:
    finish(toys, with_code(toys, code="a" * 64), sqlite)
    now = with_code(toys, code="b" * 64)
    run = tracking.find_sweep_run(sqlite, "toy")
    assert run is not None
    MlflowClient(sqlite).set_tag(run.run_id, "skipray.accepted.x", '{"name": 1}')
    assert tracking.accepted_code(now, sqlite) == []
    assert tracking.states(now, sqlite) == {}


def test_ids_of_trials_without_code_of_ones_own_have_no_former_ones(toys: SimpleNamespace) -> None:
    assert former_ids(toys.sweep().trials(), {"nets:vit": ["a"]}) == {}


@pytest.mark.parametrize("tag", ["skipray.attempt", "skipray.probe", "skipray.environment", "skipray.artifacts"])
@pytest.mark.parametrize("value", ["abc", "[1]", "{", ""])
def test_one_edited_tag_ends_no_verb(sqlite: str, toys: SimpleNamespace, tag: str, value: str, tmp_path: Path) -> None:
    sweep = toys.sweep(depths=(8,), seeds=(0,))
    made = [toys.record_one(sweep, trial, sqlite) for trial in sweep.trials()]
    MlflowClient(sqlite).set_tag(str(made[0].run_id), tag, value)
    assert len(tracking.read_trials(sweep, sqlite)) == 2
    assert len(list(child_runs(sqlite, "toy"))) == 2
    tracking.examine(sweep, sqlite)
    assert set(tracking.states(sweep, sqlite).values()) == {"finished"}


def test_results_of_code_that_the_store_does_not_know_can_be_accepted(sqlite: str, toys: SimpleNamespace) -> None:
    """Of skipray 0.1, whose runs do not say with which code they were made."""
    old = with_code(toys, code="a" * 64)
    for trial in old.trials():
        toys.record_one(old, trial, sqlite)
    for code in ("b" * 64, "c" * 64):
        now = with_code(toys, code=code, files=code)
        (found,) = tracking.outdated(now, sqlite, now.trials())
        assert str(found) == "4 finished with another nets:vit; --accept-code takes them as this code's"
        tracking.accept_code(now, sqlite, [found])
        assert set(tracking.states(now, sqlite).values()) == {"finished"}, code
        assert len(tracking.read_trials(now, sqlite)) == 4
