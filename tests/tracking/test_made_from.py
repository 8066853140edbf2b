"""The hash of what a report is made from: the same for the same, another for whatever a report would show."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from skipray import tracking
from skipray.analysis import made_from as module
from skipray.analysis.aggregation import aggregate
from skipray.analysis.made_from import made_from
from skipray.spec import SweepSpec, Trained
from skipray.spec.claims import Claims, CodedClaim
from skipray.spec.fields import Fits


@pytest.fixture
def made(sqlite: str) -> Callable[[SweepSpec], str]:
    def of(sweep: SweepSpec) -> str:
        ledger = tracking.read_ledger(sweep, sqlite)
        return made_from(sweep, sqlite, sweep.trials(), ledger)

    return of


def test_it_follows_what_a_report_shows(
    sqlite: str, toys: SimpleNamespace, made: Callable[[SweepSpec], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = toys.sweep(depths=(8,), seeds=(0,))
    one, two = sweep.trials()
    toys.record_one(sweep, one, sqlite)
    first = made(sweep)
    assert made(sweep) == first
    seen = [first]

    def differs(now: str) -> None:
        assert now not in seen
        seen.append(now)

    differs(made(replace(sweep, question="Is it another question?")))
    differs(made(replace(sweep, trained=Trained(fits=Fits(fraction=0.9)))))
    differs(made(replace(sweep, text="name: toy  # edited\n")))
    toys.record_one(sweep, two, sqlite)
    differs(made(sweep))
    assert aggregate(sweep, sqlite).made_from == seen[-1], "an aggregation says what it was made from"
    row = tracking.read_ledger(sweep, sqlite).finished[two.trial_id]
    path = Path(row.artifact_uri) / "layers.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    differs(made(sweep))
    run = tracking.find_sweep_run(sqlite, sweep.name)
    assert run is not None
    machine = Path(run.artifact_uri) / "environment" / "machine.json"
    machine.write_bytes(b"{}")
    assert any("machine.json" in line for line in aggregate(sweep, sqlite).audit), "the report names it"
    differs(made(sweep))
    monkeypatch.setattr(module, "_own_files", lambda: "another skipray")
    differs(made(sweep))


def test_it_follows_metrics_and_claims_of_the_users_own(
    sqlite: str, toys: SimpleNamespace, made: Callable[[SweepSpec], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their declarations say what is fitted, within which bounds; no trial_id has them in it."""
    monkeypatch.syspath_prepend(str(Path.cwd()))
    file = Path("ownmetric.py")
    file.write_text("METRIC = 1\ndef measure(): pass\nown = 1\n")
    sweep = toys.sweep(depths=(8,), seeds=(0,))
    named = sweep.cells[0].probe.model_copy(update={"metrics": ("ownmetric:measure",)})
    measured = replace(sweep, cells=tuple(replace(cell, probe=named) for cell in sweep.cells))
    judged = replace(sweep, claims=Claims(own=(CodedClaim(id="mine", kind="ownmetric:measure"),)))
    before = made(sweep), made(measured), made(judged)
    assert len(set(before)) == 3
    assert before == (made(sweep), made(measured), made(judged))
    file.write_text("METRIC = 1\ndef measure(): return 2\nown = 1\n")
    after = made(sweep), made(measured), made(judged)
    assert [a == b for a, b in zip(after, before, strict=True)] == [True, False, False]
