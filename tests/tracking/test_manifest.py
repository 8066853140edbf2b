"""A sweep is understood from its store alone: by its manifests, whatever order and number of launches wrote them."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from skipray import tracking
from skipray.spec import SweepSpec
from skipray.spec.fields import Adaptive
from skipray.spec.manifest import as_written, content_name, manifest_of, read_manifest
from skipray.spec.stored import united


def launched(toys: SimpleNamespace, sweep: SweepSpec, uri: str) -> SweepSpec:
    """As a launch leaves it: all trials recorded, and a manifest."""
    address = tracking.prepare(sweep, uri)
    for trial in sweep.trials():
        toys.record_one(sweep, trial, uri)
    sizes = {t.trial_id: {"parameters": 100 * t.model.depth} for t in sweep.trials()}
    tracking.write_manifest(address, sweep, sweep.trials(), sizes)
    return sweep


def test_by_its_name_a_sweep_reads_as_by_its_file(sqlite: str, toys: SimpleNamespace) -> None:
    sweep = launched(toys, toys.sweep(), sqlite)
    pd.testing.assert_frame_equal(tracking.read_trials("toy", sqlite), tracking.read_trials(sweep, sqlite))
    stored = tracking.stored_sweep("toy", sqlite)
    assert stored is not None
    assert [t.trial_id for t in stored.sweep.trials()] == [t.trial_id for t in sweep.trials()]
    assert [t.label for t in stored.sweep.trials()] == [t.label for t in sweep.trials()]
    assert stored.sweep.question == sweep.question
    assert stored.sweep.seeds == sweep.seeds
    assert stored.sweep.factors == sweep.factors
    assert {s["parameters"] for s in stored.sweep.sizes.values()} == {800, 1400}


def test_a_store_without_the_sweep_has_none(sqlite: str) -> None:
    assert tracking.stored_sweep("nothing", sqlite) is None


def test_a_search_is_found_by_its_name_before_and_after_its_end(sqlite: str, toys: SimpleNamespace) -> None:
    sweep = replace(toys.sweep("search"), adaptive=Adaptive(low=8, high=14, width=1.5, max_trials=9))
    address = tracking.prepare(sweep, sqlite)
    tracking.write_manifest(address, sweep, (), {})  # as at its start, before anything is known
    nothing = tracking.stored_sweep("search", sqlite)
    assert nothing is not None
    assert nothing.trials == ()
    assert read_manifest(as_written(manifest_of(nothing.sweep, (), {}, ""))).sweep.stored == ()
    started = sweep.trials()[1:3]
    for trial in started:
        toys.record_one(sweep, trial, sqlite)
    for _ in ("killed", "ended"):
        stored = tracking.stored_sweep("search", sqlite)
        assert stored is not None
        assert {t.trial_id for t in stored.sweep.trials()} == {t.trial_id for t in started}
        assert stored.others == ()
        assert len(tracking.read_trials("search", sqlite)) == 2
        sizes = {t.trial_id: {"parameters": 7} for t in started}
        tracking.write_manifest(address, sweep, tracking.known_trials(sweep, sqlite).trials, sizes)
    assert {s["parameters"] for s in stored.sweep.sizes.values()} == {7}


def test_launches_are_united_and_another_recipe_is_kept_apart(sqlite: str, toys: SimpleNamespace) -> None:
    first = launched(toys, toys.sweep(depths=(8,)), sqlite)
    other = launched(toys, toys.sweep(depths=(8,), learning_rate=0.5), sqlite)
    second = launched(toys, toys.sweep(depths=(14,), seeds=(0, 1, 2)), sqlite)
    stored = tracking.stored_sweep("toy", sqlite)
    assert stored is not None
    ours = {t.trial_id for t in (*first.trials(), *second.trials())}
    assert {t.trial_id for t in stored.sweep.trials()} == ours
    assert {t.trial_id for t in stored.others} == {t.trial_id for t in other.trials()}
    assert stored.sweep.seeds == (0, 1, 2)
    assert set(stored.sweep.factors["depth"]) == {8, 14}


def test_two_launches_at_once_keep_both_manifests(sqlite: str, toys: SimpleNamespace) -> None:
    one, two = toys.sweep(depths=(8,)), toys.sweep(depths=(14,))
    address = tracking.prepare(one, sqlite)
    names = {tracking.write_manifest(address, s, s.trials(), {}) for s in (one, two, one)}
    assert len(names) == 2
    stored = tracking.stored_sweep("toy", sqlite)
    assert stored is not None
    assert {t.model.depth for t in stored.sweep.trials()} == {8, 14}


def test_a_run_that_no_manifest_names_is_understood_by_its_params(sqlite: str, toys: SimpleNamespace) -> None:
    launched(toys, toys.sweep(depths=(8,)), sqlite)
    more = toys.sweep(depths=(14,))
    for trial in more.trials():
        toys.record_one(more, trial, sqlite)
    stored = tracking.stored_sweep("toy", sqlite)
    assert stored is not None
    assert {t.model.depth for t in stored.sweep.trials()} == {8, 14}
    found = {t.trial_id: t for t in stored.sweep.trials()}
    for trial in more.trials():
        assert (found[trial.trial_id].model, found[trial.trial_id].recipe) == (trial.model, trial.recipe)


def test_another_version_is_read(toys: SimpleNamespace) -> None:
    """A field that is gone, one that has come, a value that is allowed no more, an id of other rules."""
    sweep = toys.sweep()
    told = manifest_of(sweep, sweep.trials(), {}, "9.9")
    told["models"] = [m | {"from_the_future": 1, "normalization": "spectral"} for m in told["models"]]
    del told["recipes"][0]["nesterov"]
    told["understood"]["from_the_future"] = {"a": 1}
    told["trials"]["id"] = [f"{i:032x}" for i in range(len(sweep.trials()))]
    read = read_manifest(json.dumps(told)).sweep
    assert [t.trial_id for t in read.trials()] == told["trials"]["id"]
    assert {t.model.normalization for t in read.trials()} == {"spectral"}
    assert {t.model.width for t in read.trials()} == {64}
    assert not any(t.recipe.nesterov for t in read.trials())


@pytest.mark.parametrize("text", ["{}", "[]", "nonsense", '{"format": 99}', '{"format": 1, "trials": {}}'])
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_manifest(text)


def test_a_damaged_manifest_costs_only_itself(sqlite: str, toys: SimpleNamespace, tmp_path: Path) -> None:
    sweep = launched(toys, toys.sweep(), sqlite)
    (path,) = tmp_path.glob("skipray-store/artifacts/*/artifacts/manifest/*.json")
    path.write_bytes(path.read_bytes()[:200])
    pd.testing.assert_frame_equal(
        tracking.read_trials("toy", sqlite).sort_values("trial_id", ignore_index=True),
        tracking.read_trials(sweep, sqlite).sort_values("trial_id", ignore_index=True),
    )


def test_secrets_do_not_enter_a_manifest(toys: SimpleNamespace) -> None:
    sweep = replace(toys.sweep(uri="postgresql://joe:hunter2@host/db"), overrides=("tracking.uri=http://a:b2@c",))
    text = json.dumps(manifest_of(sweep, sweep.trials(), {}, "1", hide=tracking.redact))
    assert "hunter2" not in text
    assert "b2@" not in text


def test_the_name_follows_the_content_alone(toys: SimpleNamespace) -> None:
    sweep = toys.sweep()
    one, two = (manifest_of(sweep, sweep.trials(), {}, version) for version in ("1", "2"))
    assert content_name(one) == content_name(two)
    assert content_name(one) != content_name(manifest_of(sweep, sweep.trials()[1:], {}, "1"))


def test_the_latest_launch_says_what_the_sweep_is(toys: SimpleNamespace) -> None:
    old, new = toys.sweep(), replace(toys.sweep(), question="Is it another now?")
    told = [manifest_of(s, s.trials(), {}, "1") | {"written_ms": t} for s, t in ((new, 2), (old, 1))]
    for order in (told, told[::-1]):
        found = united([read_manifest(json.dumps(m)) for m in order])
        assert found is not None
        assert found.sweep.question == "Is it another now?"
