"""The rows of a table of results as trials: each value checked as a sweep's file would have it.

Names may be others than skipray's own (`normalization=group`): results from elsewhere are of other people's networks.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import TypeAdapter, ValidationError

from skipray.records import CHANCE_LOSS, CHANCE_SCORE, Outcome
from skipray.spec import DatasetSpec, ModelSpec, ProbeSpec, Recipe, Resources, TrialSpec
from skipray.spec.cell import bare_name
from skipray.spec.data_factors import DATASET
from skipray.spec.data_factors import OPTION as DATA_OPTION
from skipray.spec.fields import DEEPEST, LARGEST, Section
from skipray.spec.identity import FIRST_NUMERICS
from skipray.spec.models import OPTION
from skipray.spec.values import Frozen, freeze
from skipray.spec.words import allowed_words, show
from skipray.tracking.exchange.table import MAPPINGS, SETTING, BadTable, ResultTable, is_number
from skipray.tracking.schema import OUTCOMES, TIME_KEY

LAST_EPOCH = 1
"""Where the table does not say how many epochs there were, its values stand at this one."""
LONGEST_NAME = 200
SHOWN = 20
"""Mistakes that are named at once."""


@dataclass(frozen=True)
class Row:
    """One trial of a table."""

    trial: TrialSpec
    outcome: Outcome
    metrics: Mapping[str, float]
    seconds: float
    parameters: int | None


def trials_of(table: ResultTable, name: str, dataset: str, fingerprint: str, chance: float | None) -> list[Row]:
    """A row per trial. BadTable with a line for each mistake."""
    for number, values in enumerate(table.rows, 1):
        try:
            _setting(values)
        except BadTable as error:
            raise BadTable(f"row {number}: {error}") from None
    factors = tuple(dict.fromkeys(["architecture", "depth", *map(bare_name, _different(table))]))
    made, mistakes, seen = [], [], dict[Any, int]()
    for number, values in enumerate(table.rows, 1):
        try:
            row = _row(values, table, dataset, chance)
        except BadTable as error:
            mistakes.append(f"row {number}: {error}")
            continue
        trial = _as_told(replace(row.trial, sweep=name, fingerprint=fingerprint, factors=factors))
        twin = seen.setdefault((trial.cell, trial.seed, trial.setting), number)
        if twin != number:
            mistakes.append(
                f"row {number}: found the trial of row {twin} again; allowed: each once, with a column for each field "
                "that they differ in"
            )
        made.append(replace(row, trial=trial))
    if mistakes:
        raise BadTable("\n".join(mistakes[:SHOWN]))
    return made


def _different(table: ResultTable) -> Iterator[str]:
    """The fields that results differ in; of a field that only some families have, its values where it is told. Where
    there are tuned settings, those of the default setting tell: what tuning chose for each cell is compared by none."""
    rows = [row for row in table.rows if _setting(row) == "default"] or table.rows
    for name in table.factors:
        values = [row[name] for row in rows if row[name] is not None]
        if any(value != values[0] for value in values):
            yield name


def _row(values: Mapping[str, Any], table: ResultTable, dataset: str, chance: float | None) -> Row:
    architecture = name_of(values["architecture"], "architecture")
    depth, seed = _whole(values["depth"], "depth", 1, DEEPEST), _whole(values["seed"], "seed", 0)
    given = {bare_name(name): values[name] for name in table.factors}
    epochs = given.pop("epochs", values.get("epochs"))
    told = {} if epochs is None else {"epochs": _whole(epochs, "epochs", 0)}
    measured = {k: float(values[k]) for k in table.metrics if values[k] is not None and math.isfinite(values[k])}
    if chance is not None:
        measured.setdefault(CHANCE_SCORE, chance)
    parameters, seconds = values.get("parameters"), values.get(TIME_KEY)
    if seconds is not None and not (is_number(seconds) and 0 <= seconds < math.inf):
        raise BadTable(f"{TIME_KEY}: found {show(seconds)}; allowed: seconds, at least 0")
    trial = TrialSpec(
        sweep="",
        dataset=_dataset(given, dataset),
        fingerprint="",
        model=_partly(ModelSpec, {"architecture": architecture, "depth": depth} | _model_fields(given)),
        recipe=_partly(Recipe, told | _fields(Recipe, given), epochs=LAST_EPOCH),
        seed=seed,
        probe=ProbeSpec(preset="none"),
        resources=Resources(),
        save_weights=False,
        setting=_setting(values),
        stored_numerics=FIRST_NUMERICS,  # skipray has made none of its numbers
    )
    return Row(
        trial,
        _outcome(values, measured, infinite=any(is_number(values[k]) and math.isinf(values[k]) for k in table.metrics)),
        measured,
        float(seconds or 0.0),
        None if parameters is None else _whole(parameters, "parameters", 1, 10**15),
    )


def _dataset(given: Mapping[str, Any], name: str) -> DatasetSpec:
    """The data set of a row; its own name, where data sets are a factor."""
    if DATASET in given:
        name = name_of(given[DATASET], DATASET)
    options = {k.removeprefix(DATA_OPTION): v for k, v in given.items() if k.startswith(DATA_OPTION) and v is not None}
    own = {k: v for k, v in _fields(DatasetSpec, given).items() if v is not None}
    return DatasetSpec(name=name, **own, options=_scalars(options))


def _model_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    options = {k.removeprefix(OPTION): v for k, v in given.items() if k.startswith(OPTION) and v is not None}
    return _fields(ModelSpec, given) | ({"options": Frozen(_scalars(options))} if options else {})


def _scalars(options: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in options.items():
        if not isinstance(value, str | int | float):
            raise BadTable(f"options.{name}: found {show(value)}; allowed: a number, a text, true or false")
    return {name: _counted(value) for name, value in options.items()}


def _fields(part: type[Section], given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(part, name, value) for name, value in given.items() if name in part.model_fields}


def _value(part: type[Section], name: str, found: Any) -> Any:
    """A field's value; a name that skipray does not have where the field takes names."""
    value = _counted(_parsed(found) if isinstance(found, str) else found)
    if value is None:
        return None
    try:
        read = _adapter(part, name).validate_json(json.dumps(value), strict=True)
    except (ValidationError, ValueError, TypeError):
        if isinstance(value, str) and _takes_names(part, name):
            return name_of(value, name)
        raise BadTable(f"{name}: found {show(found)}; allowed: {allowed_words(part, (name,), {})}") from None
    return freeze(read) if isinstance(read, list | tuple | dict) else value


def _parsed(text: str) -> Any:
    """A number, a list or a mapping in a column that has texts too, as in `0.5`, `learned`; else the text."""
    if not re.match(r"[\[{]|[-+]?\.?[0-9]", text):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _counted(value: Any) -> Any:
    """Whole numbers as integers: one that is missing makes floats of a column of them."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


@lru_cache(maxsize=128)
def _adapter(part: type[Section], name: str) -> TypeAdapter[Any]:
    info = part.model_fields[name]
    kind: Any = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
    return TypeAdapter(kind)


@lru_cache(maxsize=128)
def _takes_names(part: type[Section], name: str) -> bool:
    return '"string"' in json.dumps(_adapter(part, name).json_schema())


def _partly(part: Any, known: Mapping[str, Any], **assumed: Any) -> Any:
    """A part of which only some fields are known. The others have their defaults, or None where they have none.

    Args:
        assumed: values in place of defaults.
    """
    absent = {
        name: None if info.is_required() else info.get_default(call_default_factory=True)
        for name, info in part.model_fields.items()
    }
    return part.model_construct(set(known), **(absent | assumed | dict(known)))


def _as_told(trial: TrialSpec) -> TrialSpec:
    """The trial with what its table says alone, under the id that it has with the defaults of the other fields: no
    default of skipray's is a setting of somebody else's results."""
    told = replace(
        trial,
        dataset=_told(trial.dataset),
        model=_told(trial.model),
        recipe=_told(trial.recipe),
        resources=_told(trial.resources),
    )
    vars(told)["trial_id"] = trial.trial_id
    return told


def _told(part: Any) -> Any:
    """A part with None for each field that was not given; mappings stay, where each entry was given."""
    given = part.model_fields_set
    values = {
        name: value if name in given or name in MAPPINGS else None
        for name, value in ((name, getattr(part, name)) for name in type(part).model_fields)
    }
    return part.model_construct(given, **values)


def _setting(values: Mapping[str, Any]) -> Literal["default", "tuned"]:
    told = values.get(SETTING)
    if told not in (None, "default", "tuned"):
        raise BadTable(f"{SETTING}: found {show(told)}; allowed: default, tuned")
    return "tuned" if told == "tuned" else "default"


def _outcome(values: Mapping[str, Any], measured: Mapping[str, float], *, infinite: bool) -> Outcome:
    """As it is told; else by what was measured: an infinite value, such as a loss, is one of a run that diverged."""
    told = values.get("outcome")
    if told is not None:
        for outcome in OUTCOMES:
            if told == outcome:
                return outcome  # type: ignore[return-value]
        raise BadTable(f"outcome: found {told!r}; allowed: {', '.join(OUTCOMES)}")
    if infinite or not measured.keys() - {CHANCE_SCORE, CHANCE_LOSS}:
        return "diverged"
    chance, accuracy = measured.get(CHANCE_SCORE), measured.get("train.accuracy", measured.get("test.accuracy"))
    return "untrained" if chance is not None and accuracy is not None and accuracy <= chance else "trained"


def name_of(value: Any, name: str) -> str:
    """A name: one line that a table and a figure can show."""
    if value is None:
        raise BadTable(f"{name}: found nothing; allowed: a name")
    text = str(_counted(value)).strip() if isinstance(value, str) or is_number(value) else ""
    if not text or len(text) > LONGEST_NAME or not text.isprintable():
        raise BadTable(f"{name}: found {show(value)}; allowed: a name of one line, at most {LONGEST_NAME} characters")
    return text


def _whole(value: Any, name: str, least: int, most: int = LARGEST) -> int:
    if not is_number(value) or not math.isfinite(value) or value != int(value) or not least <= value <= most:
        found = "nothing" if value is None else show(value)
        raise BadTable(f"{name}: found {found}; allowed: an integer of at least {least} and at most {most}")
    return int(value)
