"""Values of JSON that bear the sha256 of themselves, so that a flipped bit is no other value."""

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

SEAL = "sha256"


def digest(values: Mapping[str, Any], without: Collection[str] = (SEAL,)) -> str:
    """sha256 of the values, in hexadecimal, but for some keys."""
    told = {key: value for key, value in values.items() if key not in without}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def sealed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with their seal."""
    return dict(values) | {SEAL: digest(values)}


def is_sealed(values: Mapping[str, Any]) -> bool:
    """Whether the values bear their own seal."""
    return SEAL in values and values[SEAL] == digest(values)
