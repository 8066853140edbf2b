"""Finished trials of other searches than a tuned or an adaptive sweep's file asks for now: they stay in the store."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from skipray.search.study import Study
from skipray.spec import SweepSpec, TrialSpec
from skipray.spec.cell import value_text
from skipray.spec.manifest import Manifest
from skipray.spec.points import told_apart
from skipray.tracking.read.former import aliases
from skipray.tracking.read.known import known_trials
from skipray.tracking.read.ledger import child_runs
from skipray.tracking.read.manifest import read_manifests
from skipray.tracking.read.sweep_run import SweepRun
from skipray.wording import counted

LEAVING_NONE_OUT = ("width", "max_trials", "extensions")
"""Settings of a search that make no finished trial another's."""


def other_searches(sweep: SweepSpec, uri: str, run: SweepRun) -> list[str]:
    """A sentence for each kind of finished trials that the search, as the sweep's file has it now, leaves out.

    Args:
        run: the sweep's, in the store at this address.
    """
    known = {t.trial_id for t in known_trials(sweep, uri).trials}
    manifests = read_manifests(uri, run)
    finished = {row.trial_id for row in child_runs(uri, sweep.name) if row.is_finished} - known
    finished -= aliases(sweep, uri, sweep.trials()).keys()
    left = {t.trial_id: t for m in manifests for t in m.sweep.stored or () if t.trial_id in finished}
    if not left:
        return []
    said = _of_tuning(sweep, left.values()) if sweep.tune is not None else _of_depths(sweep, left.values())
    differs = ", ".join(dict.fromkeys([*_changes(sweep, manifests), *_networks(sweep, left.values())]))
    because = f" ({differs})" if differs else ""
    return [
        f"{text}{because}: they stay in the store, and are no part of the sweep as its file is now" for text in said
    ]


def _of_tuning(sweep: SweepSpec, left: Iterable[TrialSpec]) -> Iterator[str]:
    keys = {*Study(sweep).keys}
    kinds = Counter(
        ("point", "of this study" if told_apart(t.study)[0] in keys else "of another study")
        if t.phase == "tune"
        else ("final", f"in the {t.setting} setting")
        for t in left
    )
    for (kind, which), count in kinds.items():
        yield f"{counted(count, f'finished {kind}')} {which}"


def _of_depths(sweep: SweepSpec, left: Iterable[TrialSpec]) -> Iterator[str]:
    """What was tried outside the range, family by family."""
    families: dict[str, list[int]] = {}
    for trial in left:
        families.setdefault(trial.cell.group.label, []).append(trial.model.depth)
    for family, depths in families.items():
        where = f"depth {min(depths)}" if min(depths) == max(depths) else f"depths {min(depths)} to {max(depths)}"
        yield f"{counted(len(depths), 'finished trial')} of {family} at {where}"


def _changes(sweep: SweepSpec, manifests: Iterable[Manifest]) -> Iterator[str]:
    """`adaptive.low 8, now 30` for each setting of the search that some launch had otherwise."""
    section = "tune" if sweep.tune is not None else "adaptive"
    now = dict(_flat(section, sweep))
    before: dict[str, list[str]] = {}
    for manifest in sorted(manifests, key=lambda m: m.written_ms):
        for name, value in _flat(section, manifest.sweep):
            text = value_text(value)
            if value != now.get(name, value) and text not in before.setdefault(name, []):
                before[name].append(text)
    for name, texts in before.items():
        if texts:
            yield f"{name} {' and '.join(texts)}, now {value_text(now[name])}"


def _networks(sweep: SweepSpec, left: Iterable[TrialSpec]) -> Iterator[str]:
    """`recipe.epochs 10, now 20` for each setting of the cells that finished trials had otherwise."""
    cells = {cell.cell: cell for cell in sweep.cells}
    for trial in left:
        cell = cells.get(trial.cell)
        if cell is None or trial.setting != "default":
            continue
        for part in ("dataset", "model", "recipe"):
            had, has = getattr(trial, part).model_dump(), getattr(cell, part).model_dump()
            for name in sorted(had.keys() & has.keys()):
                if had[name] != has[name]:
                    yield f"{part}.{name} {value_text(had[name])}, now {value_text(has[name])}"


def _flat(section: str, sweep: SweepSpec) -> Iterator[tuple[str, Any]]:
    asked = getattr(sweep, section)
    for name, value in ({} if asked is None else asked.model_dump()).items():
        if name in LEAVING_NONE_OUT:
            continue
        if name != "space":
            yield f"{section}.{name}", value
            continue
        for field, reach in value.items():
            for end, bound in reach.items():
                yield f"{section}.space.{field}.{end}", bound
