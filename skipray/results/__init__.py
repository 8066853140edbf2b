"""Results as JSON: what the verbs print with `--json`, what a report leaves beside it, what `launch --notify` is told,
and the schema of all.

One object each, with `schema_version` and `kind`. Numbers are numbers, what is absent or without a bound is
null, and every row of a sweep's results names the same factors, null where a family lacks one. `schema()` gives the
JSON Schema (draft 2020-12), which `skipray/results/schema.json` holds.
"""

import json
import math
from collections.abc import Mapping
from importlib import resources
from typing import Any

SCHEMA_VERSION = 2
"""Raised when a key goes, or means something else; a key that is added leaves it."""


def document(kind: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """A result as the JSON that is handed out.

    Args:
        kind: the verb that it is the result of, or `notification`; names its part of the schema.
    """
    return {"schema_version": SCHEMA_VERSION, "kind": kind} | {str(k): plain(v) for k, v in value.items()}


def plain(value: Any) -> Any:
    """A value of numpy, pandas or Python as one of JSON; what is not finite is null.

    >>> plain({"low": float("-inf"), "depths": (8, 20)})
    {'low': None, 'depths': [8, 20]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


def schema() -> dict[str, Any]:
    """The JSON Schema of every document."""
    text = resources.files("skipray.results").joinpath("schema.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
