"""Finished trials of a sweep's cells and seeds with other settings than its file has now: they will be run again."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from skipray.spec import SweepSpec, TrialSpec
from skipray.spec.cell import value_text
from skipray.tracking.address import resolve_uri
from skipray.tracking.read.former import aliases
from skipray.tracking.read.ledger import child_runs
from skipray.tracking.read.manifest import read_manifests
from skipray.tracking.read.other_searches import other_searches
from skipray.tracking.read.sweep_run import find_sweep_run

CODE = ("source_hashes", "numerics_version")
"""Parts of an identity that `outdated` speaks of."""
ABSENT = "left out"


def other_settings(sweep: SweepSpec, tracking_uri: str | None, trials: Sequence[TrialSpec]) -> list[str]:
    """A sentence for each setting that was changed since trials finished, of those that have not run with it yet.

    Args:
        trials: that the sweep has by now. Of a tuned or an adaptive sweep its own are asked for: what it runs follows
            from its results (`other_searches`).
    """
    uri = resolve_uri(sweep, tracking_uri)
    run = find_sweep_run(uri, sweep.name)
    if run is None:
        return []
    if sweep.tune is not None or sweep.adaptive is not None:
        return other_searches(sweep, uri, run)
    known = {t.trial_id for t in trials}
    manifests = read_manifests(uri, run)
    former = {t.trial_id: t for m in manifests for t in m.sweep.stored or () if t.trial_id not in known}
    if not former:  # most often: then no run need be read
        return []
    today = aliases(sweep, uri, trials)
    finished = {today.get(row.trial_id, row.trial_id) for row in child_runs(uri, sweep.name) if row.is_finished}
    missing: defaultdict[tuple[str, int, int], list[TrialSpec]] = defaultdict(list)
    for trial in trials:
        if trial.trial_id not in finished:
            missing[_place(trial)].append(trial)
    told: defaultdict[tuple[str, int, int], list[dict[str, str]]] = defaultdict(list)
    for trial_id in sorted(finished & former.keys()):
        then = former[trial_id]
        place = _place(then)
        told[place].append(_changes(then, [t for t in missing.get(place, ()) if _is_same_cell(then, t)]))
    changes: Counter[str] = Counter()
    for of_place in told.values():
        # What differs in more than another trial does was another trial's already.
        nearest = [one for one in of_place if one and not any(o and o.keys() < one.keys() for o in of_place)]
        changes.update("; ".join(f"{name} {words}" for name, words in one.items()) for one in nearest)
    return [
        f"{count} finished with other settings ({words}): they stay in the store, and are no part of the sweep as its "
        "file is now, which runs them again"
        for words, count in changes.items()
    ]


def _place(trial: TrialSpec) -> tuple[str, int, int]:
    return (trial.model.architecture, trial.model.depth, trial.seed)


def _is_same_cell(then: TrialSpec, now: TrialSpec) -> bool:
    """By the factors that both have: what became a factor since, or is none any more, is a setting of the other."""
    had, has = dict(then.cell.values), dict(now.cell.values)
    return all(had[name] == has[name] for name in had.keys() & has.keys())


def _changes(then: TrialSpec, now: Sequence[TrialSpec]) -> dict[str, str]:
    """`recipe.epochs` -> `10, now 20` of each setting that differs from those of the trials that differ least."""
    had = dict(_flat(then.identity))
    found: list[dict[str, Any]] = []
    for trial in now:
        has = dict(_flat(trial.identity))
        names = sorted(had.keys() | has.keys())
        found.append({n: has.get(n, ABSENT) for n in names if had.get(n, ABSENT) != has.get(n, ABSENT)})
    least = min(map(len, found), default=0)
    nearest = [differing for differing in found if len(differing) == least]
    return {
        name: f"{value_text(had.get(name, ABSENT))}, now "
        + " or ".join(dict.fromkeys(value_text(differing[name]) for differing in nearest if name in differing))
        for name in sorted(set().union(*nearest))
    }


def _flat(identity: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in identity.items():
        if not prefix and key in CODE:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
