"""A sweep in Python is the YAML file's sweep: the same trials, the same checks, the same messages."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

import skipray
from skipray.spec import SpecError, load_sweep

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["quickstart", "tuned-quickstart", "cardinality"])
def test_the_same_trials_as_the_file(name: str) -> None:
    path = ROOT / "sweeps" / f"{name}.yaml"
    values = YAML(typ="safe", pure=True).load(path)
    made = skipray.Sweep(**values)
    assert [t.trial_id for t in made.spec.trials()] == [t.trial_id for t in load_sweep(path).trials()]
    assert made.spec.where("dataset", "name").startswith("Sweep")


def test_python_values_are_taken_as_they_come() -> None:
    values = YAML(typ="safe", pure=True).load(ROOT / "sweeps" / "quickstart.yaml")
    values["factors"]["depth"] = np.array([8, 20])
    values["seeds"] = range(2)
    values["recipe"]["learning_rate"] = np.float64(0.05)
    assert len(skipray.Sweep(**values).spec.trials()) == 3 * 2 * 2


def test_mistakes_name_the_key() -> None:
    values = YAML(typ="safe", pure=True).load(ROOT / "sweeps" / "quickstart.yaml")
    values["factors"]["depth"] = [8, 21]
    values["recipe"]["epochs"] = "2"
    with pytest.raises(SpecError, match=r"Sweep: recipe.epochs: found '2' \(a text in quotes\); allowed: an integer"):
        skipray.Sweep(**values)
    values["recipe"]["epochs"] = 2
    with pytest.raises(SpecError, match=r"factors\.depth\.1: found the depth 21"):
        skipray.Sweep(**values)
    with pytest.raises(SpecError, match="allowed: text, numbers"):
        skipray.Sweep(**values | {"question": object()})


def test_a_plan_and_no_results_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    sweep = skipray.Sweep.from_file(ROOT / "sweeps" / "quickstart.yaml", {"recipe.epochs": 1})
    plan = sweep.plan()
    assert list(plan.columns[:5]) == ["trial_id", "label", "seed", "phase", "setting"]
    assert {"architecture", "depth", "parameters", "flops", "activation_bytes", "seconds", "state"} <= set(plan.columns)
    assert len(plan) == len(sweep.spec.trials())
    assert (plan["state"] == "missing").all()
    assert plan["seconds"].is_monotonic_decreasing


def test_a_plan_says_what_the_verb_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("SKIPRAY_DATA", str(tmp_path))
    (note,) = skipray.Sweep.from_file(ROOT / "sweeps" / "fashion.yaml").plan().attrs["notes"]
    assert note.startswith("not on this machine yet: found no Fashion-MNIST files")
    assert note in capsys.readouterr().err
    assert skipray.Sweep.from_file(ROOT / "sweeps" / "quickstart.yaml").plan().attrs["notes"] == []


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("tracking.uri", None, None),
        ("tracking.storage", None, None),
        ("recipe.gradient_clip_norm", None, None),
        ("question", "does a # c hold: yes", "does a # c hold: yes"),
        ("question", "null: x", "null: x"),
        ("question", "two\nlines, ünï 😀", "two\nlines, ünï 😀"),
        ("recipe.learning_rate", np.float64(1e-5), 1e-5),
        ("recipe.learning_rate", "0.2", 0.2),
        ("seeds", np.array([3, 4]), (3, 4)),
        ("seeds", [np.int64(3)], (3,)),
        ("seeds", "[3, 4]", (3, 4)),
    ],
)
def test_an_override_is_the_value_itself(key: str, value: Any, found: Any) -> None:
    """Not its text read as YAML, of which a comment is no part, and None is a name."""
    spec: Any = skipray.Sweep.from_file(ROOT / "sweeps" / "quickstart.yaml", {key: value}).spec
    part, _, name = key.rpartition(".")
    assert getattr(spec.cells[0].recipe if part == "recipe" else getattr(spec, part) if part else spec, name) == found


def test_an_override_that_no_file_could_hold_is_refused() -> None:
    with pytest.raises(SpecError, match="found a set; allowed: text, numbers"):
        skipray.Sweep.from_file(ROOT / "sweeps" / "quickstart.yaml", {"seeds": {1}})
