"""A probe that asks for more than finished trials have is told, with what measures it."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from skipray import tracking
from skipray.spec import SweepSpec
from skipray.trial.environment import own_metrics


def with_probe(sweep: SweepSpec, **fields: Any) -> SweepSpec:
    probe = sweep.cells[0].probe.model_copy(update=fields)
    return replace(sweep, cells=tuple(replace(c, probe=probe) for c in sweep.cells), probe=probe)


@pytest.mark.parametrize(
    ("then", "now", "said"),
    [
        ({}, {}, None),
        ({}, {"preset": "full"}, "(probe.preset default, now full): skipray measure toy measures their saved weights"),
        ({"preset": "full"}, {"preset": "default"}, None),
        ({"preset": "full"}, {"gradients": True}, None),
        ({"preset": "none"}, {}, "(probe.preset none, now default): skipray measure toy"),
        ({}, {"preset": "none", "samples": 9}, None),
        ({"samples": 64}, {"samples": 9, "hessian": True}, "(probe.samples 64, now 9; probe.hessian false, now true)"),
        ({"hessian": True, "jacobian": True}, {}, None),
        ({"metrics": ("a", "b")}, {"metrics": ("b",)}, None),
        ({"metrics": ("b",)}, {"metrics": ("b", "m:c")}, "(probe.metrics b, now b m:c)"),
        ({}, {"layers": ("blocks.*",)}, "(probe.layers none, now blocks.*)"),
        ({}, {"every_epochs": 2}, "(probe.every_epochs 0, now 2), which their final weights cannot tell"),
        ({"every_epochs": 2}, {}, None),
    ],
)  # fmt: skip
def test_what_finished_trials_lack(
    sqlite: str, toys: SimpleNamespace, then: dict[str, Any], now: dict[str, Any], said: str | None
) -> None:
    old = with_probe(toys.sweep(), **then)
    tracking.prepare(old, sqlite)
    for trial in old.trials()[:3]:
        toys.record_one(old, trial, sqlite)
    sweep = with_probe(toys.sweep(), **now)
    found = tracking.other_probes(sweep, sqlite, sweep.trials())
    assert len(found) == (said is not None)
    assert said is None or (found[0].startswith("3 finished without what the probe asks") and said in found[0])


def test_a_metric_of_ones_own_that_was_edited_since(sqlite: str, toys: SimpleNamespace, tmp_path, monkeypatch) -> None:
    """Of trials from before it was recorded nothing is known."""
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "edited_metric.py"
    file.write_text("from skipray.metrics import NetworkMetric\nclass one:\n    METRIC = None\n    SCALE = 1\n")
    sweep = with_probe(toys.sweep(), metrics=("edited_metric:one",))
    tracking.prepare(sweep, sqlite)
    first, second, third = sweep.trials()[:3]
    toys.record_one(sweep, first, sqlite)
    for trial in (second, third):
        toys.record_one(sweep, trial, sqlite, environment=own_metrics(trial.probe.metrics))
    assert tracking.other_probes(sweep, sqlite, sweep.trials()) == []
    file.write_text(file.read_text().replace("SCALE = 1", "SCALE = 2"))
    (said,) = tracking.other_probes(sweep, sqlite, sweep.trials())
    assert said.startswith("2 were measured with another edited_metric:one, and keep its values: under another key, ")
