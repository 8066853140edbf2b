"""What was found and what is allowed, in words for people."""

import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel

from skipray.spec.fields import Section
from skipray.spec.values import Words


def is_union_tag(part: Any) -> bool:
    """pydantic adds the branch of a union to an error's place; a user's key never looks like that."""
    return isinstance(part, str) and (
        "[" in part or part in ("int", "float", "str", "bool", "constrained-int", "constrained-str")
    )


def fields_at(model: type[Section], parts: tuple[Any, ...]) -> list[str]:
    here: Any = model
    for part in parts:
        if typing.get_origin(here) is dict:
            here = typing.get_args(here)[1]
            continue
        info = here.model_fields.get(part) if isinstance(here, type) and issubclass(here, BaseModel) else None
        here = _present(info.annotation) if info else None
    return list(here.model_fields) if isinstance(here, type) and issubclass(here, BaseModel) else []


def _present(annotation: Any) -> Any:
    """A part that may be left out, as the part."""
    parts = [a for a in typing.get_args(annotation) if a is not type(None)]
    is_optional = typing.get_origin(annotation) in (typing.Union, types.UnionType) and len(parts) == 1
    return parts[0] if is_optional else annotation


def is_number(annotation: Any) -> bool:
    """Whether a field takes any number of a range."""
    here = _present(annotation)
    return here is float or (typing.get_origin(here) is Annotated and typing.get_args(here)[0] is float)


def written_fields(part: type[Section]) -> tuple[str, ...]:
    """The fields of a network or a recipe that a file may have: all but the rules, which stand in the fields."""
    return tuple(name for name in part.model_fields if name != "rules")


@dataclass(frozen=True)
class NumberLimits:
    """Of a number's field; None where there is none."""

    low: float | None
    high: float | None
    includes_low: bool
    includes_high: bool

    def holds(self, value: float) -> bool:
        above = self.low is None or value > self.low or (self.includes_low and value == self.low)
        below = self.high is None or value < self.high or (self.includes_high and value == self.high)
        return above and below


def value_limits(model: type[Section], name: str) -> NumberLimits:
    """The range that a number's field takes."""
    info = model.model_fields[name]
    found: dict[str, float] = {}
    metadata = list(info.metadata)
    here = _present(info.annotation)
    if typing.get_origin(here) is Annotated:
        metadata += typing.get_args(here)[1:]
    for one in metadata:
        for part in getattr(one, "metadata", None) or [one]:
            found |= {n: getattr(part, n) for n in _BOUNDS if getattr(part, n, None) is not None}
    return NumberLimits(
        found.get("ge", found.get("gt")), found.get("le", found.get("lt")), "ge" in found, "le" in found
    )


def kind_words(value: Any) -> str:
    """What a value of YAML is, in words; ruamel's own types are subclasses of Python's."""
    kinds = {dict: "a mapping", list: "a list", str: "a text", bool: "a boolean", int: "an integer", float: "a number"}
    for kind, words in kinds.items():
        if isinstance(value, kind):
            return words
    return f"a {type(value).__name__}"


def show(value: Any) -> str:
    """A value as YAML has it, cut where it is long; a text that reads as a number is said to be one."""
    text = repr(list(value) if isinstance(value, tuple) else value)
    if value is None or isinstance(value, bool):
        text = {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        text = "a mapping" if value else "an empty mapping"
    hint = ""
    if isinstance(value, str) and re.fullmatch(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?", value):
        hint = " (a text in quotes)"
    return (text if len(text) <= 60 else text[:57] + "...") + hint


def show_cell(cell: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in cell.items()) + "}"


_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def allowed_words(model: type[Section], parts: tuple[Any, ...], detail: Any) -> str:
    """What a field takes, in words."""
    here: Any = model
    info = None
    for part in parts:
        fields = getattr(here, "model_fields", {})
        if part in fields:
            info = fields[part]
            here = _present(info.annotation)
        elif typing.get_origin(here) is dict and part == parts[-1]:
            return _type_words(typing.get_args(here)[1], [])
        elif typing.get_origin(here) is dict:
            here = typing.get_args(here)[1]
    if info is None:
        return str(detail.get("msg", "another value"))
    said = next((m.text for m in info.metadata if isinstance(m, Words)), None)
    if said is not None:
        return said
    bounds = [
        f"{words} {getattr(m, name)}" for m in info.metadata for name, words in _BOUNDS.items() if hasattr(m, name)
    ]
    text = _type_words(info.annotation, bounds)
    if info.description:
        text = info.description
    elif any(hasattr(m, "pattern") and m.pattern for m in info.metadata):
        text = "a name of lower-case letters, digits, '.', '_' and '-', at most 64 long"
    return text


def _type_words(annotation: Any, bounds: list[str]) -> str:
    if typing.get_origin(annotation) is Annotated:
        inner, *metadata = typing.get_args(annotation)
        said = next((meta.text for meta in metadata if isinstance(meta, Words)), None)
        if said is not None:
            return said
        more = [
            f"{words} {getattr(m, name)}"
            for meta in metadata
            for m in (getattr(meta, "metadata", None) or [meta])
            for name, words in _BOUNDS.items()
            if getattr(m, name, None) is not None
        ]
        return _type_words(inner, bounds + more)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return ", ".join(str(a) for a in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type_words(a, bounds) for a in arguments if a is not type(None))
    limits = f" {' and '.join(bounds)}" if bounds else ""
    if annotation is int:
        return f"an integer{limits}"
    if annotation is float:
        return f"a number{limits}"
    if annotation is bool:
        return "true or false"
    if annotation is str:
        return "a text"
    if origin in (list, tuple):
        inner = _type_words(arguments[0], []) if arguments else "values"
        return f"a list of at least one item, each {inner}" if origin is tuple else f"a list, each item {inner}"
    if origin is dict:
        return "a mapping"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "a mapping with the keys " + ", ".join(annotation.model_fields)
    return "a value" + limits
