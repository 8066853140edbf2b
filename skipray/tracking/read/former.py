"""Runs under the ids that their trials have today: code that counts as the same may have been hashed otherwise.

skipray 0.1 hashed whole files; where a file is still what it was, its trials are this code's. Code that was edited, and
whose results the user has accepted all the same, is named by tags of the sweep's run.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from skipray.spec import Recipe, SweepSpec, TrialSpec
from skipray.spec.former import former_ids, with_other_hashes
from skipray.spec.points import study_key
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
    """Hash of the code that ran."""
    new: str
    """Hash of the code that they were accepted for."""
    changed: tuple[str, ...]
    """The parts that differ, where they are known."""
    when: str
    trials: int
    """So many were finished with the old code then."""


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
    found: dict[str, list[str]] = {}
    for name, source in sweep.sources.items():
        known = [str(source["hash"]), str(source["files"])]
        for _ in accepted:  # one may have been accepted for another that was accepted itself
            known += [a.old for a in accepted if a.name == name and a.new in known and a.old not in known]
        found[name] = known[1:]
    return found


def aliases(sweep: SweepSpec, uri: str, trials: Iterable[TrialSpec]) -> dict[str, str]:
    """Former trial_id -> today's, of trials with code of the user's own; none where there is no such code."""
    return former_ids(trials, _equal(sweep, uri)) if sweep.sources else {}


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
        if row.study not in cells or row.recipe is None:
            yield row
            continue
        other, cell = cells[row.study]
        recipe = Recipe.model_validate_json(row.recipe)
        for seed in tune.seeds:
            if replace(other, recipe=recipe, seed=seed).trial_id == row.trial_id:
                now = replace(cell, recipe=recipe, seed=seed).trial_id
                yield replace(row, trial_id=now, study=study_key(cell, tune))


def accepted_code(sweep: SweepSpec, tracking_uri: str | None = None) -> list[Accepted]:
    """What the user has accepted of this sweep's earlier code."""
    run = find_sweep_run(resolve_uri(sweep, tracking_uri), sweep.name) if sweep.sources else None
    return accepted_of(run.tags) if run is not None else []


def _equal(sweep: SweepSpec, uri: str) -> dict[str, list[str]]:
    run = find_sweep_run(uri, sweep.name)
    return equal_hashes(sweep, accepted_of(run.tags) if run is not None else ())


def renamed(rows: Iterable[RunRow], today: Mapping[str, str]) -> Iterator[RunRow]:
    """Rows under the ids that their trials have today."""
    for row in rows:
        yield replace(row, trial_id=today[row.trial_id]) if row.trial_id in today else row
