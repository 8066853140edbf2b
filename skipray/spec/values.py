"""Values of a specification that are mappings: frozen, hashable, one text each."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Any, NoReturn

from pydantic import AfterValidator, BeforeValidator

from skipray.extension import catalog


class Frozen(dict[str, Any]):
    """A mapping that cannot be changed, so that what holds one can be hashed. Lists in it are tuples."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(canonical_json(self))

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("a specification cannot be changed")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return Frozen, (dict(self),)


@dataclass(frozen=True)
class Words:
    """What a field takes, in words, where its type does not say it."""

    said: str
    folder: str = ""
    """Of the catalog, whose names stand for `{names}` in what is said."""

    @property
    def text(self) -> str:
        """What is said, with the names that there are."""
        return self.said.format(names=", ".join(catalog.names(self.folder))) if self.folder else self.said


def freeze(value: Any) -> Any:
    """A value of YAML with its mappings frozen and its lists as tuples."""
    if isinstance(value, Mapping):
        return Frozen({str(key): freeze(inner) for key, inner in value.items()})
    if isinstance(value, list | tuple):
        return tuple(freeze(inner) for inner in value)
    return value


def plain(value: Any) -> Any:
    """Python values as YAML would have given them: tuples as lists, numpy's scalars and arrays as Python's, paths as
    texts."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | range):
        return [plain(inner) for inner in value]
    if isinstance(value, PurePath):
        return str(value)
    return value.tolist() if hasattr(value, "tolist") else value


def _named(value: Any) -> Any:
    """A bare name as the mapping that says no more."""
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        return dict(value)
    raise ValueError("no name")


Choice = Annotated[
    dict[str, Any],
    BeforeValidator(_named, json_schema_input_type=str | dict[str, Any]),
    AfterValidator(freeze),
    Words("a name, or a mapping with the key name and the arguments of what it names"),
]
"""Something by its name, with arguments: `adamw`, `{name: adamw, betas: [0.9, 0.95]}`. Read as a `Frozen`."""


def _plain(value: Any) -> Any:
    """A mapping that is a name alone as the name."""
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        return value["name"] if len(value) == 1 else freeze(value)
    if isinstance(value, str):
        return value
    raise ValueError("no name")


ActivationChoice = Annotated[
    str | dict[str, Any],
    AfterValidator(_plain),
    Words("{names}, or module:name; with arguments as a mapping with the key name", folder="activations"),
]
"""An activation by its name, or a mapping with its name and arguments."""
Options = Annotated[dict[str, Any], AfterValidator(freeze), Words("a mapping of names to values")]
"""Named values, read as a `Frozen`."""


def arguments(choice: Mapping[str, Any]) -> dict[str, Any]:
    """A choice's arguments, without its name."""
    return {key: value for key, value in choice.items() if key != "name"}


def as_text(value: Any) -> Any:
    """A factor's value in the few words of a label; what is no mapping and no list stays as it is.

    >>> as_text({"name": "adamw", "betas": [0.9, 0.95]})
    'adamw(betas=0.9,0.95)'
    >>> as_text({"value": 0.1, "rule": "inverse_sqrt_depth", "reference": 20})
    '0.1*inverse_sqrt_depth(reference=20)'
    """
    if isinstance(value, list | tuple):
        return ",".join(str(as_text(inner)) for inner in value)
    if not isinstance(value, Mapping):
        return value
    rest = ",".join(f"{key}={as_text(inner)}" for key, inner in value.items() if key not in ("name", "rule", "value"))
    head = str(value.get("name", value.get("rule", "")))
    factor = f"{value['value']}*" if "value" in value and head else ""
    return f"{factor}{head}({rest})" if rest else f"{factor}{head}"


def canonical_json(value: Any) -> str:
    """One text for one value: sorted keys, no spaces, integers and floats of one value alike (`1` is `1.0`)."""

    def normal(x: Any) -> Any:
        if isinstance(x, Mapping):
            return {str(k): normal(v) for k, v in x.items()}
        if isinstance(x, list | tuple):
            return [normal(v) for v in x]
        if isinstance(x, float) and x.is_integer() and abs(x) < 2**53:
            return int(x)
        return x

    return json.dumps(normal(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
