"""Every field of a sweep file, as rows and as a JSON Schema, read from the classes that check it.

The meaning of a field is the text under it in `skipray/spec/fields.py`, so that the reference cannot differ from it.
"""

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from skipray.spec import claims, fields
from skipray.spec.data_factors import DATASET, FIELDS
from skipray.spec.fields import DatasetSpec, FactorRange, ModelSpec, Recipe, Section, SweepFile
from skipray.spec.words import allowed_words, written_fields

OPEN_SECTIONS: dict[str, type[Section]] = {"dataset": DatasetSpec, "model": ModelSpec, "recipe": Recipe}
"""Sections that are checked cell by cell, since any of their fields may be a factor."""
APART: dict[str, type[Section]] = {"claims": claims.Claims}
"""Sections that are checked by a reader of their own."""


@dataclass(frozen=True)
class FieldRow:
    """One field of a sweep file."""

    name: str
    """Dotted, such as `recipe.epochs`."""
    allowed: str
    default: Any
    """None where the field may be left out, and where it may not."""
    required: bool
    meaning: str


def field_rows() -> tuple[FieldRow, ...]:
    """Every field of a sweep file, in the file's order, those of its sections behind each section."""
    return tuple(_rows(SweepFile, ""))


def _own_words(section: type[Section]) -> str:
    """What a section's class says of itself: one without words would show pydantic's own."""
    return inspect.cleandoc(section.__dict__.get("__doc__") or "")


def _rows(model: type[Section], prefix: str) -> Iterator[FieldRow]:
    meanings = _meanings(model)
    for name, info in model.model_fields.items():
        inner = (OPEN_SECTIONS | APART).get(name) if not prefix else None
        inner = inner or _section(info)
        meaning = meanings.get(name, "") or (_own_words(inner) if inner else "")
        default = None if info.is_required() else info.get_default(call_default_factory=True)
        yield FieldRow(
            prefix + name,
            "a mapping of the fields below" if inner else allowed_words(model, (name,), {}),
            None if isinstance(default, BaseModel) else default,
            info.is_required(),
            meaning,
        )
        if inner is not None:
            yield from _rows(inner, f"{prefix}{name}.")
        elif model is claims.Claims and name == "own":
            for kind, part in claims.KINDS.items():
                yield from _rows(part, f"{prefix}{name}.{kind}.")


def _section(info: FieldInfo) -> type[Section] | None:
    """The part that a field holds, also where it may be left out."""
    kinds = [info.annotation, *getattr(info.annotation, "__args__", ())]
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, Section)), None)


@lru_cache
def _texts() -> dict[str, dict[str, str]]:
    """Class -> field -> the text under it."""
    found: dict[str, dict[str, str]] = {}
    for node in (n for source in (fields, claims) for n in ast.parse(inspect.getsource(source)).body):
        if not isinstance(node, ast.ClassDef):
            continue
        texts = found.setdefault(node.name, {})
        for field, text in zip(node.body, node.body[1:], strict=False):
            is_text = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and is_text:
                texts[field.target.id] = inspect.cleandoc(str(text.value.value))  # type: ignore[attr-defined]
    return found


def _meanings(model: type[Section]) -> dict[str, str]:
    return {name: text for base in reversed(model.__mro__) for name, text in _texts().get(base.__name__, {}).items()}


def json_schema() -> dict[str, Any]:
    """A JSON Schema (2020-12) of a sweep file, for editors: types, allowed values and meanings.

    It is wider than the checks: what depends on several fields (depth rules, factors beside a section) they alone know.
    """
    schema = SweepFile.model_json_schema()
    definitions = schema.setdefault("$defs", {})
    for name, part in (OPEN_SECTIONS | APART).items():
        inner = part.model_json_schema()
        definitions |= inner.pop("$defs", {})
        inner.pop("required", None)  # any field of it may be a factor instead
        inner["properties"] = {key: inner["properties"][key] for key in written_fields(part)}
        definitions[part.__name__] = inner
        schema["properties"][name] = {"$ref": f"#/$defs/{part.__name__}"}
    named: list[type[Section]] = [*_parts(SweepFile), *OPEN_SECTIONS.values(), *APART.values(), *claims.KINDS.values()]
    named.append(claims.CodedClaim)
    by_name = {part.__name__: part for part in named}
    _describe(schema, SweepFile)
    for name, definition in definitions.items():
        if name in by_name:
            _describe(definition, by_name[name])
    names = [DATASET, *FIELDS, *written_fields(ModelSpec), *written_fields(Recipe)]
    definitions["FactorRange"] = FactorRange.model_json_schema()
    _describe(definitions["FactorRange"], FactorRange)
    values = {"anyOf": [{"type": "array", "minItems": 1}, {"$ref": "#/$defs/FactorRange"}]}
    schema["properties"]["factors"] |= {"properties": dict.fromkeys(names, values), "additionalProperties": values}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "sweep.schema.json",
        "title": "A skipray sweep",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def _parts(model: type[Section]) -> Iterator[type[Section]]:
    for info in model.model_fields.values():
        inner = _section(info)
        if inner is not None:
            yield inner
            yield from _parts(inner)
        for argument in getattr(info.annotation, "__args__", ()):
            if isinstance(argument, type) and issubclass(argument, Section) and argument is not inner:
                yield argument


def _describe(schema: dict[str, Any], model: type[Section]) -> None:
    for name, text in _meanings(model).items():
        if name in schema.get("properties", {}):
            schema["properties"][name]["description"] = " ".join(text.split())
