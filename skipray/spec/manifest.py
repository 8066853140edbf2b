"""A sweep as its store keeps it: enough to understand every result without the file, the code or the version that made
it.

A manifest is a JSON object, versioned by `format`. It holds the sweep as it was given (text, overrides) and as it was
understood (every field of the SweepSpec), and each trial with its id, factors, seed, label and size. Reading one builds
nothing and imports no family; a field that this version does not know is left out, and one that it has added takes its
default.
"""

import dataclasses
import json
import platform
import time
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from skipray.spec.cell import Cell
from skipray.spec.depth_rules import own_rules
from skipray.spec.fields import DatasetSpec, ModelSpec, ProbeSpec, Recipe, Resources
from skipray.spec.identity import FIRST_NUMERICS, NUMERICS_VERSION
from skipray.spec.models import activation_names
from skipray.spec.recipes import own_names
from skipray.spec.seal import SEAL, digest, is_sealed, sealed
from skipray.spec.sweep import SweepSpec
from skipray.spec.trial import TrialSpec, stored_trial
from skipray.spec.values import freeze

FORMAT = 2
"""Raised when a manifest is no longer read by an older skipray; those of earlier formats are read for good. 2: cells
have data sets of their own."""
FORMAT_OF_ONE_DATA_SET = 1
GIVEN = ("path", "text", "overrides")
NOT_UNDERSTOOD = (*GIVEN, "name", "cells", "stored", "sizes", "sources")
"""Fields of the SweepSpec that stand elsewhere in a manifest."""

Part = TypeVar("Part", bound=BaseModel)


@dataclass(frozen=True)
class Manifest:
    """A manifest that was read back."""

    written_ms: int
    skipray: str
    sweep: SweepSpec
    """As it was understood; its `stored` trials are all that the manifest knows."""


def manifest_of(
    sweep: SweepSpec,
    trials: Iterable[TrialSpec],
    sizes: Mapping[str, Mapping[str, int]],
    version: str,
    *,
    hide: Callable[[str], str] = lambda text: text,
) -> dict[str, Any]:
    """The manifest of a sweep and of the trials that it has by now.

    Args:
        sizes: trial_id -> `parameters`, `flops`, `activation_bytes`, where they are known.
        version: of skipray.
        hide: takes secrets out of a text.
    """
    tables: dict[str, dict[str, int]] = {"datasets": {}, "models": {}, "recipes": {}, "probes": {}, "cells": {}}
    # A probe of its own, because the points of a study are not probed.
    rows: dict[str, list[Any]] = {name: [] for name in ("id", "label", "cell", "probe", "seed", *_ROW, NUMERICS)}
    for trial in trials:
        data = {"dataset": trial.dataset.model_dump(mode="json"), "fingerprint": trial.fingerprint, "name": trial.data}
        cell = {
            "dataset": _place(tables["datasets"], data),
            "model": _place(tables["models"], trial.model.model_dump(mode="json")),
            "recipe": _place(tables["recipes"], trial.recipe.model_dump(mode="json")),
            "factors": to_jsonable_python(trial.cell.values),
            "named": list(trial.factors),
            "family": trial.family,
            "sizes": dict(sizes.get(trial.trial_id, {})),
        }
        rows["id"].append(trial.trial_id)
        rows["label"].append(trial.label)
        rows["cell"].append(_place(tables["cells"], cell))
        rows["probe"].append(_place(tables["probes"], trial.probe.model_dump(mode="json")))
        rows["seed"].append(trial.seed)
        for name in (*_ROW, NUMERICS):
            rows[name].append(getattr(trial, name))
    return {
        "format": FORMAT if len(tables["datasets"]) > 1 else FORMAT_OF_ONE_DATA_SET,
        "sweep": sweep.name,
        "written_ms": int(time.time() * 1000),
        "versions": {"skipray": version, "numerics": NUMERICS_VERSION, "python": platform.python_version()},
        "given": {
            "path": str(sweep.path),
            "text": hide(sweep.text),
            "overrides": [hide(text) for text in sweep.overrides],
        },
        "understood": _hidden(_understood(sweep), hide),
        "fingerprint": sweep.cells[0].fingerprint if sweep.cells else "",
        "sources": {name: dict(source) for name, source in sweep.sources.items()},
        "source_hashes": {name: value for cell in sweep.cells for name, value in cell.source_hashes},
        **{name: [json.loads(text) for text in table] for name, table in tables.items()},
        "trials": rows,
    }


_ROW = ("phase", "setting", "study", "point", "save_weights")
"""Fields of a TrialSpec that stand in a manifest's rows as they are."""
NUMERICS = "numerics_version"


def content_name(manifest: Mapping[str, Any]) -> str:
    """A file name that says what a manifest holds, whenever and with whatever version it was written: two launches that
    know the same write one file, and two that know different things never overwrite each other's."""
    return f"manifest-{digest(manifest, ('written_ms', 'versions', SEAL))[:16]}.json"


def as_written(manifest: Mapping[str, Any]) -> bytes:
    """A manifest as it is written, with the sha256 of its values."""
    return json.dumps(sealed(manifest), separators=(",", ":")).encode()


def read_manifest(data: bytes | str, name: str = "") -> Manifest:
    """A manifest out of its JSON.

    Args:
        name: of its file; one that bears no seal, of an earlier skipray, is checked against it.

    Raises:
        ValueError: it is damaged, or of a later format.
    """
    try:
        told = json.loads(data)
        if (SEAL in told and not is_sealed(told)) or (name and name != content_name(told)):
            raise ValueError("it has changed since it was written")
        if told["format"] > FORMAT:
            raise ValueError(f"its format is {told['format']}; this skipray reads up to {FORMAT}")
        return _read(told)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"it is no manifest ({type(error).__name__}: {error})") from None


def _read(told: Mapping[str, Any]) -> Manifest:
    understood = told["understood"]
    alone = {"dataset": understood["dataset"], "fingerprint": told["fingerprint"], "name": ""}
    data = [(part_of(DatasetSpec, d["dataset"]), str(d["fingerprint"]), str(d["name"]))
            for d in told.get("datasets", [alone])]  # fmt: skip
    resources = part_of(Resources, understood.get("resources", {}))
    models = [part_of(ModelSpec, values) for values in told["models"]]
    recipes = [part_of(Recipe, values) for values in told["recipes"]]
    probes = [part_of(ProbeSpec, values) for values in told["probes"]]
    named = [tuple(map(str, cell["named"])) for cell in told["cells"]]
    hashes = told.get("source_hashes", {})
    rows, trials, sizes = told["trials"], [], {}
    for i, trial_id in enumerate(rows["id"]):
        cell = told["cells"][rows["cell"][i]]
        model = models[cell["model"]]
        recipe = recipes[cell["recipe"]]
        dataset, fingerprint, data_name = data[cell.get("dataset", 0)]
        code = (model.architecture, model.initialisation, dataset.name, *own_names(recipe), *activation_names(model))
        code += (*own_rules(recipe), *own_rules(model))
        trials.append(
            stored_trial(
                str(trial_id),
                sweep=str(told["sweep"]),
                dataset=dataset,
                fingerprint=fingerprint,
                model=model,
                recipe=recipe,
                seed=int(rows["seed"][i]),
                probe=probes[rows["probe"][i]],
                resources=resources,
                factors=named[rows["cell"][i]],
                family=str(cell.get("family", "")),
                data=data_name,
                source_hashes=tuple((name, hashes[name]) for name in code if name in hashes),
                numerics=rows[NUMERICS][i] if NUMERICS in rows else FIRST_NUMERICS,
                **{name: rows[name][i] for name in _ROW if name in rows},
            )
        )
        sizes[str(trial_id)] = dict(cell.get("sizes", {}))
    return Manifest(
        int(told["written_ms"]),
        str(told["versions"]["skipray"]),
        SweepSpec(
            path=Path(told["given"]["path"]),
            text=told["given"]["text"],
            overrides=tuple(told["given"]["overrides"]),
            name=str(told["sweep"]),
            cells=cells_of(trials),
            stored=tuple(trials),
            sizes=sizes,
            sources=told.get("sources", {}),
            **_fields(understood),
        ),
    )


def cells_of(trials: Sequence[TrialSpec]) -> tuple[TrialSpec, ...]:
    """One trial per cell, in the order of the trials: a final in the default setting where there is one."""
    found: dict[Cell, TrialSpec] = {}
    for trial in sorted(trials, key=lambda t: (t.phase != "final", t.setting != "default")):
        found.setdefault(trial.cell, trial)
    order = {id(trial): i for i, trial in enumerate(trials)}
    return tuple(sorted(found.values(), key=lambda t: order[id(t)]))


def part_of(model: type[Part], values: Mapping[str, Any]) -> Part:
    """A part of a sweep as it was recorded: checked where this version's rules still allow it, else as it stands."""
    known = {key: value for key, value in values.items() if key in model.model_fields}
    try:
        return model.model_validate_json(json.dumps(known))
    except ValidationError:
        plain: dict[str, Any] = {k: freeze(v) for k, v in known.items()}
        return model.model_construct(None, **plain)


def _understood(sweep: SweepSpec) -> dict[str, Any]:
    return {
        field.name: to_jsonable_python(getattr(sweep, field.name))
        for field in dataclasses.fields(sweep)
        if field.name not in NOT_UNDERSTOOD
    }


def _fields(understood: Mapping[str, Any]) -> dict[str, Any]:
    """The SweepSpec's own fields; what this version cannot read takes its default."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(SweepSpec):
        if field.name in NOT_UNDERSTOOD or field.name not in understood:
            continue
        kind, value = _annotation(field.name), understood[field.name]
        try:
            found[field.name] = TypeAdapter(kind).validate_json(json.dumps(value))
        except ValidationError:
            if isinstance(kind, type) and issubclass(kind, BaseModel) and isinstance(value, dict):
                found[field.name] = part_of(kind, value)
            elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                raise ValueError(f"its field {field.name} cannot be read") from None
    return found


@lru_cache
def _annotation(name: str) -> Any:
    return typing.get_type_hints(SweepSpec)[name]


def _place(table: dict[str, int], value: Any) -> int:
    """The index of a value in a table of different values, as canonical texts."""
    return table.setdefault(json.dumps(value, sort_keys=True), len(table))


def _hidden(value: Any, hide: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {key: _hidden(v, hide) for key, v in value.items()}
    if isinstance(value, list):
        return [_hidden(v, hide) for v in value]
    return hide(value) if isinstance(value, str) else value
