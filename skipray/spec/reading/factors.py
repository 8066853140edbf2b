"""What the factors of a sweep file, and the rows of include and exclude, may name."""

import difflib
from collections.abc import Mapping
from typing import Any

from skipray.spec import data_factors, models, ranges
from skipray.spec.cell import bare_name
from skipray.spec.fields import FactorRange, ModelSpec, Recipe, Section, SweepFile
from skipray.spec.reading.mistakes import Mistakes
from skipray.spec.words import show, written_fields


def spread_ranges(mistakes: Mistakes) -> None:
    """Put the values of factors that are ranges in their places."""
    factors = mistakes.document.data.get("factors")
    if not isinstance(factors, dict):
        return
    for key, values in factors.items():
        if not isinstance(values, dict):
            continue
        reach = mistakes.validate(FactorRange, values, ("factors", key))
        if reach is None:
            continue
        wrong = ranges.wrong_end(reach)
        if wrong:
            allowed = f"above low, {reach.low:g}" if wrong == "high" else "above 0 where scale is log"
            mistakes.add(("factors", key, wrong), f"found {show(values[wrong])}; allowed: {allowed}")
        else:
            whole = all(isinstance(values[end], int) for end in ("low", "high"))
            factors[key] = ranges.spread(reach, whole=whole)
    mistakes.stop()


def check_factors(file: SweepFile, mistakes: Mistakes) -> None:
    fields = (*written_fields(ModelSpec), *written_fields(Recipe))
    known = set(fields)
    known |= {bare_name(key) for key in file.factors if models.is_factor(bare_name(key))}
    known |= {bare_name(key) for row in file.include for key in row if models.is_factor(bare_name(key))}
    named = [*file.factors, *(key for row in file.include for key in row)]
    known |= {*data_factors.FIELDS, data_factors.DATASET, *filter(data_factors.is_factor, map(bare_name, named))}
    bares = [bare_name(key) for key in file.factors]
    for key, values in file.factors.items():
        bare = bare_name(key)
        if bares.count(bare) > 1:
            mistakes.add(("factors", key), f"found {bare} under two names; allowed: each factor once")
        if bare not in known or not _is_of_its_section(key):
            near = difflib.get_close_matches(bare, sorted(known), n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            allowed = ", ".join([*fields, data_factors.DATASET, *data_factors.FIELDS])
            mistakes.add(("factors", key), f"found an unknown factor{hint}; allowed: {allowed}")
        elif not values:
            mistakes.add(("factors", key), "found an empty list; allowed: at least one value")
        for i, value in enumerate(values):
            if value in values[:i] and type(value) is type(values[values.index(value)]):
                mistakes.add(("factors", key, i), f"found {show(value)} twice; allowed: each value once")
        for section in ("model", "recipe"):
            if bare in getattr(file, section) or (
                section == "model" and bare.removeprefix(models.OPTION) in _options(file) and "." in bare
            ):
                mistakes.add((section, bare), f"found a value beside the factor {key}; allowed: one of the two")
        beside = "name" if bare == data_factors.DATASET else bare
        if data_factors.is_factor(bare) and beside in file.dataset:
            mistakes.add(("dataset", beside), f"found a value beside the factor {key}; allowed: one of the two")
    _check_rows(file, known, mistakes)
    _check_sections(file, mistakes)


def _check_rows(file: SweepFile, known: set[str], mistakes: Mistakes) -> None:
    """The rows of include and exclude name factors."""
    known_bare = {bare_name(key) for key in file.factors}
    for section in ("include", "exclude"):
        for i, row in enumerate(getattr(file, section)):
            if not row:
                mistakes.add((section, i), "found an empty row; allowed: factors and their values")
            bares = [bare_name(key) for key in row]
            for bare in dict.fromkeys(b for b in bares if bares.count(b) > 1):
                mistakes.add((section, i), f"found {bare} under two names; allowed: each factor once")
            for key in row:
                allowed_keys = known if section == "include" else known_bare
                if bare_name(key) not in allowed_keys or not _is_of_its_section(key):
                    mistakes.add(
                        (section, i, key), f"found an unknown factor; allowed: {', '.join(sorted(allowed_keys))}"
                    )


def _check_sections(file: SweepFile, mistakes: Mistakes) -> None:
    for seed in {s for s in file.seeds if file.seeds.count(s) > 1}:
        mistakes.add(("seeds",), f"found {seed} twice; allowed: each seed once")
    for section, model in (("model", ModelSpec), ("recipe", Recipe)):
        allowed = written_fields(model)
        for key in getattr(file, section):
            if key not in allowed:
                near = difflib.get_close_matches(key, allowed, n=1)
                hint = f" (did you mean {near[0]}?)" if near else ""
                mistakes.add((section, key), f"found an unknown key{hint}; allowed: {', '.join(allowed)}")


def _options(file: SweepFile) -> Mapping[str, Any]:
    options = file.model.get("options", {})
    return options if isinstance(options, Mapping) else {}


def _is_of_its_section(key: str) -> bool:
    """Whether a factor written as `section.field` names a field that varies of that section."""
    section, _, field = key.partition(".")
    if section == "dataset" and field:
        return data_factors.is_factor(bare_name(key))
    parts: dict[str, type[Section]] = {"model": ModelSpec, "recipe": Recipe}
    fields = written_fields(parts[section]) if section in parts else None
    return fields is None or not field or field.partition(".")[0] in fields
