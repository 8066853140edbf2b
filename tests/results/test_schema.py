"""Everything that is handed out as JSON follows the published schema, and the schema would notice if it did not."""

import copy
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from skipray import tracking, verbs
from skipray.launch import run
from skipray.results import SCHEMA_VERSION, document, plain, schema
from skipray.spec import SweepSpec, load_sweep
from skipray.storage import Failure, TrialPlace

SWEEP = """\
name: handed
question: Is it typed?
dataset: {name: digits}
model: {kind: mlp, width: 16, normalization: batch, initialisation: he_normal, activation: relu}
recipe: {epochs: 1, batch_size: 128, learning_rate: 0.05, momentum: 0.9, weight_decay: 1e-4, schedule: constant,
  augmentation: none}
factors:
  architecture: [plainnet, resnet]
  depth: [8, 20]
  residual_scale: [1, learned]
exclude: [{architecture: plainnet, residual_scale: learned}]
seeds: [0, 1]
"""
VALIDATOR = Draft202012Validator(schema())


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SweepSpec:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "handed.yaml").write_text(SWEEP)
    return load_sweep("handed.yaml")


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """The one object that a verb prints, which follows the schema."""

    def of(*arguments: str) -> dict[str, Any]:
        capsys.readouterr()
        assert run([*arguments, "--json"]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert [e.message for e in VALIDATOR.iter_errors(found)] == []
        assert (found["schema_version"], found["kind"]) == (SCHEMA_VERSION, arguments[0])
        return found

    return of


def test_verbs_of_a_sweep(sweep: SweepSpec, told: Callable[..., dict[str, Any]], monkeypatch: Any) -> None:
    plan = told("plan", "handed.yaml", "--offline")
    scales = {(t["architecture"], t["residual_scale"]) for t in plan["trials"]}
    assert scales == {("plainnet", None), ("resnet", 1), ("resnet", "learned")}
    assert {type(t["depth"]) for t in plan["trials"]} == {int}
    assert told("theory", "handed.yaml")["predictions"]
    assert told("theory", "--depth", "8", "--width", "16")["sweep"] is None
    assert told("fields", "epochs")["fields"]
    assert told("list")["here"] == {"handed": "handed.yaml"}
    assert told("status", "handed.yaml")["missing"] == 12

    address = tracking.prepare(sweep)
    failed = sweep.trials()[4]
    lease = TrialPlace(tracking.storage_url(sweep), sweep.name, failed.trial_id).acquire()
    recorder = tracking.Recorder(address, failed, lease)
    recorder.start()
    recorder.fail(Failure("error", "ValueError: bad luck", "Traceback ...", 1_700_000_000_000))
    status = told("status", "handed.yaml")
    assert (status["failed"], status["missing"]) == (1, 11)
    (cause,) = status["failures"]
    assert (cause["label"], cause["failure_class"], cause["message"]) == (failed.label, "error", "ValueError: bad luck")
    told("doctor", "handed.yaml")
    assert told("aggregate", "handed.yaml")["trials"] == 0
    report = told("report", "handed.yaml")["report"]
    beside = json.loads((Path(report).parent / "claims.json").read_text())
    assert beside["kind"] == "aggregate"
    assert [e.message for e in VALIDATOR.iter_errors(beside)] == []


def test_what_has_no_number_in_json_is_null_and_types_stay() -> None:
    made = document("plan", {"a": np.float64(math.inf), "b": np.int64(8), "c": np.bool_(True), "d": (1.0, math.nan)})
    assert made == {"schema_version": SCHEMA_VERSION, "kind": "plan", "a": None, "b": 8, "c": True, "d": [1.0, None]}
    assert [type(made[k]) for k in "bc"] == [int, bool]
    assert plain(Path("x")) == "x"


@pytest.mark.catalog
def test_all_that_is_handed_out_as_json_has_its_part() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in Path(verbs.__file__).parent.rglob("*.py"))
    kinds = set(re.findall(r'(?:print_json|document)\(\s*"(\w+)"', source))
    assert len(kinds) > 10
    assert {f"#/$defs/{kind}" for kind in kinds} == {part["$ref"] for part in schema()["oneOf"]}


def broken(good: dict[str, Any]) -> Iterator[dict[str, Any]]:
    changes = {"total": "12", "schema_version": SCHEMA_VERSION + 1, "kind": "stats", "failures": None, "more": 1}
    for key, value in changes.items():
        yield copy.deepcopy(good) | {key: value}
    yield {k: v for k, v in good.items() if k != "missing"}


def test_the_schema_refuses_what_is_not_so() -> None:
    Draft202012Validator.check_schema(schema())
    counts = dict.fromkeys(("total", "finished", "running", "failed", "missing"), 0)
    good = document("status", {"sweep": "x", **counts, "failures": [], "said": []})
    assert VALIDATOR.is_valid(good)
    for bad in broken(good):
        assert not VALIDATOR.is_valid(bad), bad
