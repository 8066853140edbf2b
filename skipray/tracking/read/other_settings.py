"""Finished trials of a sweep's cells and seeds with other settings than its file has now: they will be run again."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from skipray.spec import SweepSpec, TrialSpec
from skipray.spec.cell import value_text
from skipray.spec.values import canonical_json
from skipray.tracking.address import resolve_uri
from skipray.tracking.read.former import aliases
from skipray.tracking.read.ledger import child_runs
from skipray.tracking.read.manifest import read_manifests
from skipray.tracking.read.sweep_run import find_sweep_run

CODE = ("source_hashes", "numerics_version")
"""Parts of an identity that `outdated` speaks of."""
ABSENT = "left out"


def other_settings(sweep: SweepSpec, tracking_uri: str | None, trials: Sequence[TrialSpec]) -> list[str]:
    """A sentence for each setting that was changed since trials finished, of those that have not run with it yet.

    Args:
        trials: that the sweep has by now. Of a tuned or an adaptive sweep nothing is said: what it runs follows from
            its results.
    """
    if sweep.tune is not None or sweep.adaptive is not None:
        return []
    uri = resolve_uri(sweep, tracking_uri)
    run = find_sweep_run(uri, sweep.name)
    if run is None:
        return []
    known = {t.trial_id for t in trials}
    manifests = read_manifests(uri, run)
    former = {t.trial_id: t for m in manifests for t in m.sweep.stored or () if t.trial_id not in known}
    if not former:  # most often: then no run need be read
        return []
    today = aliases(sweep, uri, trials)
    finished = {today.get(row.trial_id, row.trial_id) for row in child_runs(uri, sweep.name) if row.is_finished}
    missing = {_place(t): t for t in trials if t.trial_id not in finished}
    changes: Counter[str] = Counter()
    for trial_id in finished & former.keys():
        now = missing.get(_place(former[trial_id]))
        words = ", ".join(_changes(former[trial_id], now)) if now is not None else ""
        changes.update([words] if words else [])
    return [
        f"{count} finished with other settings ({words}): they stay in the store, and are no part of the sweep as its "
        "file is now, which runs them again"
        for words, count in changes.items()
    ]


def _place(trial: TrialSpec) -> str:
    """Cell and seed, by the factors' values."""
    return canonical_json({"cell": dict(trial.cell.values), "seed": trial.seed})


def _changes(then: TrialSpec, now: TrialSpec) -> Iterator[str]:
    """`recipe.epochs 10, now 20` for each setting that differs."""
    had, has = dict(_flat(then.identity)), dict(_flat(now.identity))
    for name in sorted(had.keys() | has.keys()):
        if had.get(name) != has.get(name):
            old, new = (value_text(x[name]) if name in x else ABSENT for x in (had, has))
            yield f"{name} {old}, now {new}"


def _flat(identity: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in identity.items():
        if not prefix and key in CODE:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
