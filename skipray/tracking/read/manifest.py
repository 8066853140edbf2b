"""A sweep read from its store alone: by its manifests, or, of a store from before there were any, by what its runs say
of themselves."""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from skipray.spec import DatasetSpec, ModelSpec, ProbeSpec, Recipe, Resources, SweepSpec, TrialSpec
from skipray.spec.cell import bare_name
from skipray.spec.data_factors import DATASET, data_names
from skipray.spec.document import Document, SpecError
from skipray.spec.fields import Adaptive, Tracking, Tune
from skipray.spec.manifest import Manifest, cells_of, part_of, read_manifest
from skipray.spec.stored import Stored, has_settings, renamed, united
from skipray.spec.trial import stored_trial
from skipray.tracking.address import resolve_uri
from skipray.tracking.files import list_files, read_file
from skipray.tracking.read.ledger import child_runs
from skipray.tracking.read.params import params_of
from skipray.tracking.read.row import RunRow
from skipray.tracking.read.sizes import weighed
from skipray.tracking.read.sweep_run import SweepRun, find_sweep_run

FOLDER = "manifest"
"""Of the sweep's run: one file per launch that knew something new."""

log = logging.getLogger(__name__)


def stored_sweep(name: str, tracking_uri: str | None = None) -> Stored | None:
    """The sweep that a store has under a name, understood without its file, its code or the version that ran it.

    None where the store has no such sweep, or nothing that says what its trials were.

    Raises:
        TrackingAway: the store cannot be reached.
    """
    uri = resolve_uri(None, tracking_uri)
    run = find_sweep_run(uri, name)
    if run is None:
        return None
    manifests = read_manifests(uri, run)
    rows = list(child_runs(uri, name))
    named = {t.trial_id for m in manifests for t in m.sweep.stored or ()}
    unnamed = [row for row in rows if row.trial_id not in named]
    recorded = recorded_trials(uri, name, unnamed)
    if (
        not named and recorded
    ):  # of skipray 0.1, or a search that was killed: its manifest was written before its trials
        of_trial = {row.trial_id: row for row in rows if row.is_finished}
        manifests = [_as_recorded(uri, run, name, recorded, weighed(uri, recorded, of_trial))]
    found = united(manifests, recorded)
    if found is None:
        return None
    tracking = found.sweep.tracking.model_copy(update={"uri": uri})
    return replace(found, sweep=replace(found.sweep, tracking=tracking))


def read_manifests(uri: str, run: SweepRun) -> list[Manifest]:
    """The manifests of a sweep's run; a damaged one is passed over."""
    found = []
    for name, manifest in _each_manifest(uri, run):
        if isinstance(manifest, Manifest):
            found.append(manifest)
        else:
            log.warning("%s of sweep %s is passed over: %s", name, run.tags.get("skipray.sweep"), manifest)
    return found


def unread_manifests(uri: str, run: SweepRun) -> list[tuple[str, str]]:
    """File and what is wrong with it, of the manifests of a sweep's run that are passed over."""
    return [(name, str(found)) for name, found in _each_manifest(uri, run) if isinstance(found, ValueError)]


def _each_manifest(uri: str, run: SweepRun) -> Iterator[tuple[str, Manifest | ValueError]]:
    for name in list_files(uri, run.artifact_uri, run.run_id, FOLDER):
        data = read_file(uri, run.artifact_uri, run.run_id, name)
        try:
            if data is not None and name.endswith(".json"):
                yield name, read_manifest(data, name.rpartition("/")[2])
        except ValueError as error:
            yield name, error


def recorded_trials(uri: str, name: str, rows: Iterable[RunRow]) -> list[TrialSpec]:
    """The trials of runs that no manifest names, by their params and tags; the newest run of each."""
    wanted = {row.run_id: row for row in rows if row.trial_id}
    if not wanted:
        return []
    found: dict[str, TrialSpec] = {}
    texts = params_of(uri, name, set(wanted))
    for row in sorted(wanted.values(), key=lambda r: -r.start_ms):
        params = texts.get(row.run_id)
        if params and row.trial_id not in found:
            trial = _trial(name, row, params)
            if trial is not None:
                found[row.trial_id] = trial
    return sorted(found.values(), key=lambda t: (t.label, t.trial_id))  # which run began first says nothing


def _trial(sweep: str, row: RunRow, params: Mapping[str, str]) -> TrialSpec | None:
    parts: dict[str, dict[str, str]] = {}
    for key, text in params.items():
        part, _, field = key.partition(".")
        parts.setdefault(part, {})[field] = text
    if not {"model", "recipe", "dataset"} <= set(parts) or "seed" not in params:
        return None  # the run has not come so far as to say what it is
    return stored_trial(
        row.trial_id,
        sweep=sweep,
        dataset=_part(DatasetSpec, {k: v for k, v in parts["dataset"].items() if k != "fingerprint"}),
        fingerprint=parts["dataset"].get("fingerprint", ""),
        model=_part(ModelSpec, parts["model"]),
        recipe=_part(Recipe, parts["recipe"]),
        seed=int(params["seed"]),
        probe=_part(ProbeSpec, parts.get("probe", {})),
        resources=_part(Resources, parts.get("resources", {})),
        phase="tune" if row.study else "final",
        setting="point" if row.study else row.setting,
        study=row.study or "",
        point=row.point,
        numerics=row.numerics,
    )


def _part(model: type[BaseModel], texts: Mapping[str, str]) -> Any:
    """A part of a trial from params, which are texts: each as what its field takes."""
    return part_of(model, {k: _value(model, k, t) for k, t in texts.items() if k in model.model_fields})


def _value(model: type[BaseModel], field: str, text: str) -> Any:
    adapter = _adapter(model, field)
    for candidate in (text, *({"True": [True], "False": [False]}.get(text) or _parsed(text))):
        try:
            adapter.validate_json(json.dumps(candidate), strict=True)
        except ValidationError:
            continue
        return candidate
    return text


def _parsed(text: str) -> list[Any]:
    try:
        return [json.loads(text)]
    except ValueError:
        return []


@lru_cache(maxsize=256)
def _adapter(model: type[BaseModel], field: str) -> TypeAdapter[Any]:
    kind: Any = model.model_fields[field].annotation
    return TypeAdapter(kind)


def _as_recorded(
    uri: str, run: SweepRun, name: str, trials: list[TrialSpec], sizes: Mapping[str, Mapping[str, int]]
) -> Manifest:
    """What a manifest would say, from the sweep's file as the run has it and from the trials' own params."""
    document = _document(uri, run)
    data = document.data if document is not None else {}
    keys = list(data.get("factors", {})) or _varied(trials)
    names = tuple(dict.fromkeys([*map(bare_name, keys), *(["depth"] if data.get("adaptive") else [])]))
    named = tuple(_with_factors(trial, names) for trial in renamed(trials, names))
    if document is not None:
        named = tuple(t for t in named if has_settings(t, data)) or named
    values = {bare_name(k): tuple(v) for k, v in data.get("factors", {}).items()}
    if DATASET in values:
        values[DATASET] = tuple(data_names(values[DATASET]))
    factors = {n: values.get(n) or tuple(dict.fromkeys(t.cell.values.get(n) for t in named)) for n in names}
    named = tuple(sorted(named, key=lambda t: _place_in_file(t, factors)))
    one = named[0]
    sweep = SweepSpec(
        path=document.path if document is not None else Path(f"{name}.yaml"),
        text=document.text if document is not None else "",
        overrides=tuple(document.overridden.values()) if document is not None else (),
        name=name,
        question=str(data.get("question", "")),
        dataset=one.dataset,
        factors=factors,
        seeds=tuple(data.get("seeds") or dict.fromkeys(t.seed for t in named)),
        probe=one.probe,
        resources=one.resources,
        tracking=Tracking(),
        cells=cells_of(named),
        tune=part_of(Tune, data["tune"]) if data.get("tune") else None,
        adaptive=part_of(Adaptive, data["adaptive"]) if data.get("adaptive") else None,
        stored=named,
        sizes=sizes,
    )
    return Manifest(run.start_ms, run.tags.get("skipray.version", ""), sweep)


def _place_in_file(trial: TrialSpec, factors: Mapping[str, tuple[Any, ...]]) -> tuple[Any, ...]:
    """Tuning points first, then the cells in the order of the factors' values, seeds innermost."""
    own = trial.cell.values
    cell = [values.index(own[n]) if own.get(n) in values else len(values) for n, values in factors.items()]
    return (trial.phase != "tune", cell, trial.setting, -1 if trial.point is None else trial.point, trial.seed)


def _with_factors(trial: TrialSpec, names: tuple[str, ...]) -> TrialSpec:
    made = replace(trial, factors=names)
    vars(made)["trial_id"] = trial.trial_id
    return made


def _varied(trials: list[TrialSpec]) -> list[str]:
    """The fields that differ between finals, where no file says what the factors are."""
    finals = [t for t in trials if t.phase == "final"] or trials
    found = ["architecture", "depth"]
    for part, model in (("model", ModelSpec), ("recipe", Recipe)):
        for name in model.model_fields:
            values = {getattr(getattr(t, part), name) for t in finals} - {None}
            if len(values) > 1 and name not in found:
                found.append(name)
    if len({(t.dataset.model_dump_json(), t.fingerprint) for t in finals}) > 1:
        found.append(DATASET)
    return found


def _document(uri: str, run: SweepRun) -> Document | None:
    """The sweep's file and the overrides as the latest launch logged them; None where they are missing or damaged."""
    names = list_files(uri, run.artifact_uri, run.run_id, "sweep")
    file = next((n for n in names if n.endswith((".yaml", ".yml"))), None)
    data = read_file(uri, run.artifact_uri, run.run_id, file) if file else None
    if data is None or file is None:
        return None
    try:
        document = Document.parse(Path(file.rpartition("/")[2]), data.decode())
        overrides = read_file(uri, run.artifact_uri, run.run_id, "sweep/overrides.txt") or b""
        for line in overrides.decode().splitlines():
            document.override(line)
    except (SpecError, UnicodeDecodeError):
        return None
    return document
