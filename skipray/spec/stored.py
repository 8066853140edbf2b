"""The sweep that a store holds under a name: the latest launch's, with all that earlier launches ran of the same
question.

A sweep is launched many times: with more depths or seeds, and now and then with another recipe to try something out.
Trials of earlier launches belong to the latest one's sweep where they differ from its cells in nothing but factors and
seeds; others are counted and left out, so that two recipes are never read as one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from skipray.extension import catalog
from skipray.spec.cell import bare_name
from skipray.spec.data_factors import DATASET, OPTION, is_chosen, trial_data_names
from skipray.spec.fields import ModelSpec, Recipe
from skipray.spec.manifest import Manifest, cells_of
from skipray.spec.reader import probe_of
from skipray.spec.sweep import SweepSpec
from skipray.spec.trial import TrialSpec, stored_trial
from skipray.spec.values import as_text, canonical_json

IGNORED = ("depth", "architecture")
"""Fields of the model that are factors in every sweep."""


@dataclass(frozen=True)
class Stored:
    """What a store holds under a sweep's name."""

    sweep: SweepSpec
    others: tuple[TrialSpec, ...]
    """Trials of other settings or of other code than the latest launch's."""

    @property
    def trials(self) -> tuple[TrialSpec, ...]:
        return (*(self.sweep.stored or ()), *self.others)


def united(manifests: Iterable[Manifest], more: Sequence[TrialSpec] = ()) -> Stored | None:
    """One sweep out of the manifests of its launches, in whatever order they come; None where there is none.

    Args:
        more: trials that no manifest names, such as those of a launch that was killed.
    """
    ordered = sorted(manifests, key=lambda m: (m.written_ms, len(m.sweep.stored or ())), reverse=True)
    if not ordered:
        return None
    # A search's first manifest has no trials: it does not say what they share.
    latest = next((m.sweep for m in ordered if m.sweep.stored), ordered[0].sweep)
    known: dict[str, TrialSpec] = {}
    for manifest in ordered:
        for trial in manifest.sweep.stored or ():
            known.setdefault(trial.trial_id, trial)
    for trial in more:
        known.setdefault(trial.trial_id, trial)
    frame = Frame(latest)
    kept: dict[tuple[Any, ...], TrialSpec] = {}
    others = []
    for trial in renamed(list(known.values()), frame.factors):
        key = (trial.cell, trial.seed, trial.setting, trial.study, trial.point)
        if frame.holds(trial) and key not in kept:
            kept[key] = trial
        else:
            others.append(trial)
    sizes: dict[str, Mapping[str, int]] = {}
    for manifest in reversed(ordered):
        sizes.update(manifest.sweep.sizes)
    trials = tuple(kept.values())
    sweep = replace(
        latest,
        cells=cells_of(trials),
        seeds=tuple(dict.fromkeys([*latest.seeds, *(t.seed for t in trials if t.phase == "final")])),
        factors=_factors(latest, trials),
        stored=trials,
        sizes=sizes,
    )
    return Stored(sweep, tuple(others))


def probed(sweep: SweepSpec, overrides: Iterable[str]) -> SweepSpec:
    """A stored sweep with other settings of the probe, which are part of no trial's identity.

    Raises:
        SpecError: an override is wrong, or is of something else.
    """
    probe = probe_of(sweep.probe, overrides, sweep.name)

    def with_it(trial: TrialSpec) -> TrialSpec:
        return stored_trial(
            trial.trial_id, **{f.name: getattr(trial, f.name) for f in fields(trial)} | {"probe": probe}
        )

    stored = tuple(map(with_it, sweep.stored or ()))
    return replace(sweep, probe=probe, cells=cells_of(stored), stored=stored)


class Frame:
    """What the trials of one sweep share: all but its factors, its seeds and what it tunes."""

    def __init__(self, sweep: SweepSpec):
        cells = sweep.cells
        factors = {bare_name(key) for key in sweep.factors} | {name for cell in cells for name in cell.factors}
        self._model = {f: {getattr(c.model, f) for c in cells} for f in ModelSpec.model_fields if f not in factors}
        self._recipe = {f: {getattr(c.recipe, f) for c in cells} for f in Recipe.model_fields if f not in factors}
        tuned = [t.recipe for t in sweep.stored or () if t.setting == "tuned"] if sweep.tune is None else []
        # A table tells what was tuned by its trials alone.
        self._tuned = {f for f, values in self._recipe.items() if any(getattr(r, f) not in values for r in tuned)}
        self._tuned |= set(sweep.tune.space) if sweep.tune is not None else set()
        self.factors = factors
        self._shared = {_shared(c, factors) for c in cells}
        self._hashes = {name: value for c in cells for name, value in c.source_hashes}

    def holds(self, trial: TrialSpec) -> bool:
        # A family has not got every field: None says nothing about a trial.
        model = all(
            getattr(trial.model, f) in values or getattr(trial.model, f) is None
            for f, values in self._model.items()
            if f not in IGNORED and values != {None}
        )
        free = self._tuned if trial.setting != "default" else set()
        recipe = all(getattr(trial.recipe, f) in values for f, values in self._recipe.items() if f not in free)
        same_code = all(self._hashes.get(name, value) == value for name, value in trial.source_hashes)
        return model and recipe and same_code and _shared(trial, self.factors) in self._shared


def _shared(trial: TrialSpec, factors: Collection[str]) -> tuple[str, ...]:
    resources = trial.resources
    same = (resources.device, str(resources.threads), str(trial.numerics_version))
    if DATASET in factors:  # each has options and a fingerprint of its own
        return same
    data = trial.dataset.model_dump()
    options = {key: value for key, value in data.pop("options").items() if f"{OPTION}{key}" not in factors}
    fixed = {key: value for key, value in data.items() if key not in factors}
    return (canonical_json(fixed | {"options": options}), trial.fingerprint, *same)


def _factors(latest: SweepSpec, trials: Sequence[TrialSpec]) -> dict[str, tuple[Any, ...]]:
    """The factors with every value that some trial has, the latest launch's first."""
    found = {key: {as_text(value): value for value in values} for key, values in latest.factors.items()}
    for trial in trials:
        cell = trial.cell.values
        for key, known in found.items():
            if bare_name(key) == DATASET and any(is_chosen(trial.dataset, value) for value in latest.factors[key]):
                continue
            if bare_name(key) in cell:
                known.setdefault(cell[bare_name(key)], cell[bare_name(key)])
    return {key: tuple(values.values()) for key, values in found.items()}


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def missing_code(data: Mapping[str, Any]) -> list[str]:
    """The families, initialisations and data sets that a sweep's file names and that are not found here."""
    sections = [data.get("model", {}), *data.get("include", []), {DATASET: data.get("dataset", {})}]
    sections += [{bare_name(key): v} for key, values in data.get("factors", {}).items() for v in values]
    named = [(kind, _name(s[kind])) for s in sections for kind in _FOLDERS if kind in s and _name(s[kind])]
    return list(dict.fromkeys(name for kind, name in named if not _is_here(_FOLDERS[kind], name)))


def _name(value: Any) -> str:
    """Of a name, or of a mapping with one; empty where there is none."""
    named = value.get("name") if isinstance(value, Mapping) else value
    return named if isinstance(named, str) else ""


_FOLDERS = {"architecture": "architectures", "initialisation": "initialisations", "dataset": "datasets"}


def _is_here(folder: str, name: str) -> bool:
    try:
        catalog.find(folder, name)
    except ValueError:
        return False
    return True


def selected(stored: Stored, data: Mapping[str, Any]) -> SweepSpec | None:
    """What a sweep's file selects of a stored sweep: the trials whose settings, factors and seeds it names. None where
    it names none of them."""
    factors = {bare_name(key): list(values) for key, values in data.get("factors", {}).items()}
    rows = [{bare_name(k): v for k, v in row.items()} for row in data.get("include", [])]
    tune = data.get("tune") or {}
    seeds = {*data.get("seeds", []), *tune.get("seeds", [])}

    def asks_for(trial: TrialSpec) -> bool:
        has = trial.cell.values
        crossed = all(n not in has or any(_is(trial, n, v) for v in allowed) for n, allowed in factors.items())
        added = any(all(_is(trial, name, value) for name, value in row.items()) for row in rows)
        return trial.seed in seeds and (crossed or added) and has_settings(trial, data)

    trials = tuple(t for t in stored.trials if asks_for(t))
    if not trials:
        return None
    return replace(stored.sweep, cells=cells_of(trials), stored=trials, seeds=tuple(data.get("seeds", [])))


def _is(trial: TrialSpec, name: str, value: Any) -> bool:
    """Whether a trial has a value of the file's for a factor."""
    if name == DATASET:
        return is_chosen(trial.dataset, value)
    return trial.cell.values.get(name) == as_text(value)


def renamed(trials: Sequence[TrialSpec], factors: Collection[str]) -> list[TrialSpec]:
    """The trials with their data sets called as they are beside each other, where data sets are a factor."""
    if DATASET not in factors:
        return list(trials)
    data = {(t.dataset.model_dump_json(), t.fingerprint): t for t in trials}
    names = trial_data_names([(t.dataset, t.fingerprint) for t in data.values()], factors)
    called = dict(zip(data, names, strict=True))
    made = []
    for trial in trials:
        name = called[trial.dataset.model_dump_json(), trial.fingerprint]
        made.append(trial if trial.data == name else replace(trial, data=name))
        vars(made[-1])["trial_id"] = trial.trial_id
    return made


def has_settings(trial: TrialSpec, data: Mapping[str, Any]) -> bool:
    """Whether a trial has the settings that a sweep's file shares among all its cells."""
    free = set(data["tune"]["space"]) if data.get("tune") and trial.setting != "default" else set()
    for section, part in (("model", trial.model), ("recipe", trial.recipe)):
        for key, value in data.get(section, {}).items():
            own = getattr(part, key, None)
            if key not in free and own is not None and own != _hashable(value):
                return False
    return True
