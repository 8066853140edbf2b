"""Runs under the ids that their trials have today: code that counts as the same may have been hashed otherwise.

skipray 0.1 hashed whole files; where a file is still what it was, its trials are this code's. Code that was edited, and
whose results the user has accepted all the same, is named by tags of the sweep's run.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from skipray.spec import Recipe, SweepSpec, TrialSpec
from skipray.spec.former import apart_from_code, former_ids, with_other_hashes
from skipray.spec.points import stage_tag, study_key, told_apart
from skipray.tracking.address import resolve_uri
from skipray.tracking.read.row import RunRow
from skipray.tracking.read.sweep_run import find_sweep_run

ACCEPTED_PREFIX = "skipray.accepted."
"""Before a tag of the sweep's run, JSON of an Accepted."""


@dataclass(frozen=True)
class Accepted:
    """Results of earlier code that the user has taken for this code's."""

    name: str
    """module:name."""
    old: str
    """Hash of the code that ran; empty where its runs do not say."""
    new: str
    """Hash of the code that they were accepted for."""
    changed: tuple[str, ...]
    """The parts that differ, where they are known."""
    when: str
    trials: int
    """So many were finished with the old code then; 0 where it is the same code, hashed as skipray 0.1 did."""


def accepted_of(tags: Mapping[str, str]) -> list[Accepted]:
    """What was accepted, by the tags of the sweep's run; a damaged tag says nothing."""
    found = []
    for key, text in tags.items():
        if key.startswith(ACCEPTED_PREFIX):
            try:
                told: dict[str, Any] = json.loads(text)
                found.append(Accepted(**(told | {"changed": tuple(told["changed"])})))
            except (ValueError, TypeError, KeyError):
                continue
    return found


def equal_hashes(sweep: SweepSpec, accepted: Iterable[Accepted]) -> dict[str, list[str]]:
    """module:name -> the hashes under which its code counts as today's, but today's own."""
    accepted = list(accepted)
    sources = sweep.sources.items()
    return {n: hashes_of(n, (str(s["hash"]), str(s["files"])), accepted)[1:] for n, s in sources}


def hashes_of(name: str, today: Sequence[str], accepted: Sequence[Accepted]) -> list[str]:
    """The hashes under which code counts as today's: its own, and those of what was accepted for it.

    Args:
        name: module:name.
        today: its own.
    """
    known = list(today)
    for _ in accepted:  # one may have been accepted for another that was accepted itself
        known += [a.old for a in accepted if a.name == name and a.new in known and a.old not in known]
    return known


def aliases(sweep: SweepSpec, uri: str, trials: Iterable[TrialSpec]) -> dict[str, str]:
    """Former trial_id -> today's, of trials with code of the user's own; none where there is no such code."""
    if not sweep.sources:
        return {}
    trials = tuple(trials)
    run = find_sweep_run(uri, sweep.name)
    accepted = accepted_of(run.tags) if run is not None else []
    equal = equal_hashes(sweep, accepted)
    found = former_ids(trials, equal)
    same = {n: {str(source["hash"]), *equal[n]} for n, source in sweep.sources.items()}
    unknown = {a.name for a in accepted if not a.old and a.new in same.get(a.name, ())}
    return _of_unknown_code(sweep.name, uri, trials, unknown) | found if unknown else found


def _of_unknown_code(name: str, uri: str, trials: Iterable[TrialSpec], accepted: set[str]) -> dict[str, str]:
    """Former ids of runs that do not say with which code they were made, as those of skipray 0.1, where the user has
    accepted them."""
    from skipray.tracking.read.ledger import child_runs  # these two read runs by today's ids, and so ask this file
    from skipray.tracking.read.manifest import recorded_trials

    ours = [t for t in trials if t.source_hashes and {n for n, _ in t.source_hashes} <= accepted]
    today = {apart_from_code(t): t.trial_id for t in ours}
    recorded = recorded_trials(uri, name, child_runs(uri, name))
    found = {t.trial_id: today.get(apart_from_code(t)) for t in recorded}
    return {former: now for former, now in found.items() if now is not None and former != now}


def points_today(sweep: SweepSpec, uri: str, rows: Iterable[RunRow]) -> Iterator[RunRow]:
    """Rows with the ids and studies that the points of a tuned sweep have today. Which points there are follows from
    results, so each is told by its own recipe."""
    tune = sweep.tune
    if tune is None or not sweep.sources:
        yield from rows
        return
    equal = _equal(sweep, uri)
    cells = {study_key(other, tune): (other, cell) for cell in sweep.cells for other in with_other_hashes(cell, equal)}
    for row in rows:
        key, stage = told_apart(row.study or "")
        if key not in cells or row.recipe is None:
            yield row
            continue
        other, cell = cells[key]
        recipe = Recipe.model_validate_json(row.recipe)
        for seed in tune.seeds:
            if replace(other, recipe=recipe, seed=seed).trial_id == row.trial_id:
                now = replace(cell, recipe=recipe, seed=seed).trial_id
                yield replace(row, trial_id=now, study=stage_tag(study_key(cell, tune), stage))


def accepted_code(sweep: SweepSpec, tracking_uri: str | None = None) -> list[Accepted]:
    """What the user has accepted of this sweep's earlier code."""
    run = find_sweep_run(resolve_uri(sweep, tracking_uri), sweep.name) if sweep.sources else None
    return [a for a in accepted_of(run.tags) if a.trials] if run is not None else []


def _equal(sweep: SweepSpec, uri: str) -> dict[str, list[str]]:
    run = find_sweep_run(uri, sweep.name)
    return equal_hashes(sweep, accepted_of(run.tags) if run is not None else ())


def renamed(rows: Iterable[RunRow], today: Mapping[str, str]) -> Iterator[RunRow]:
    """Rows under the ids that their trials have today."""
    for row in rows:
        yield replace(row, trial_id=today[row.trial_id]) if row.trial_id in today else row
