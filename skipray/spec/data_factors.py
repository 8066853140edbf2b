"""The data sets of a sweep: one that all cells share, or a factor.

The section `dataset` holds what all cells share, as `model` does for networks. The factor `dataset` has data sets by
their names, or as mappings with options and a fingerprint of their own; `train_samples` and its like, and
`dataset.options.NAME`, are factors as any field is.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from skipray.spec.fields import DatasetSpec
from skipray.spec.values import as_text

DATASET = "dataset"
"""The factor that holds data sets."""
FIELDS = ("validation_fraction", "train_samples", "test_samples", "standardise")
"""Fields of a data set that may be factors by themselves."""
OPTION = "dataset.options."
"""What a factor's name begins with that is an option of the data set."""


def is_factor(bare: str) -> bool:
    """Whether a factor of this name is one of the data.

    >>> [is_factor(name) for name in ("dataset", "train_samples", "dataset.options.separation", "fingerprint")]
    [True, True, True, False]
    """
    return bare == DATASET or bare in FIELDS or (bare.startswith(OPTION) and len(bare) > len(OPTION))


def data_section(section: Mapping[str, Any], cell: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of one cell's data set: the file's section, with the cell's factors over it."""
    data = dict(section)
    chosen = cell.get(DATASET)
    if isinstance(chosen, Mapping):
        options = {**_mapping(data.get("options")), **_mapping(chosen.get("options"))}
        wrong = not isinstance(chosen.get("options", {}), Mapping)  # it stays as it is, to be refused
        data |= dict(chosen) | ({"options": options} if options and not wrong else {})
    elif DATASET in cell:
        data["name"] = chosen
    data |= {key: value for key, value in cell.items() if key in FIELDS}
    named = {key.removeprefix(OPTION): value for key, value in cell.items() if key.startswith(OPTION)}
    if named:
        data["options"] = {**_mapping(data.get("options")), **named}
    return data


def said_twice(section: Mapping[str, Any], cell: Mapping[str, Any]) -> str | None:
    """What a cell's data set is told by a factor and beside it too: the field or option, by the factor's name."""
    chosen = _mapping(cell.get(DATASET))
    for bare in cell:
        if bare in FIELDS and bare in chosen:
            return bare
        places = (section.get("options"), chosen.get("options"))
        if bare.startswith(OPTION) and any(bare.removeprefix(OPTION) in _mapping(place) for place in places):
            return bare
    return None


def value_of(dataset: DatasetSpec, bare: str) -> Any:
    """The value of a factor's field or option."""
    return dataset.options.get(bare.removeprefix(OPTION)) if bare.startswith(OPTION) else getattr(dataset, bare)


def data_names(chosen: Iterable[Any]) -> list[str]:
    """What each value of the factor `dataset` is called beside the others: its name, with the fields and options in
    which it differs from others of that name; fingerprints are said only where nothing else tells two apart.

    >>> data_names(["digits", {"name": "nets:wine", "fingerprint": "8a92"}, {"name": "digits", "train_samples": 100}])
    ['digits', 'nets:wine', 'digits(train_samples=100)']
    >>> data_names([{"name": "nets:wine", "fingerprint": "8a92"}, {"name": "nets:wine", "fingerprint": "6da6"}])
    ['nets:wine(fingerprint=8a92)', 'nets:wine(fingerprint=6da6)']
    """
    flat = [_flat(value) for value in chosen]
    named = [_beside(one, [other for other in flat if other.get("name") == one.get("name")]) for one in flat]
    return [
        name if named.count(name) == 1 or "fingerprint" not in one else _text(one, ["fingerprint"])
        for one, name in zip(flat, named, strict=True)
    ]


def is_chosen(dataset: DatasetSpec, value: Any) -> bool:
    """Whether a data set is the one that a value of the factor names: what the value does not say may be anything."""
    own = _flat(dataset.model_dump())
    return all(own.get(key) == found for key, found in _flat(value).items() if key != "fingerprint")


def trial_data_names(data: Sequence[tuple[DatasetSpec, str]], factors: Collection[str]) -> list[str]:
    """What data sets with their fingerprints are called beside each other.

    Args:
        factors: bare names of the sweep's; a field that is a factor by itself is not said again.
    """
    written = []
    for spec, fingerprint in data:
        fields = spec.model_dump(exclude_defaults=True) | {"fingerprint": fingerprint}
        options = {k: v for k, v in spec.options.items() if OPTION + k not in factors}
        written.append({k: v for k, v in fields.items() if k not in factors} | {"options": options})
    return data_names(written)


def _beside(one: Mapping[str, Any], same: Sequence[Mapping[str, Any]]) -> str:
    """A data set's name among those of that name."""
    differ = [key for key in sorted(one) if any(key not in other or other[key] != one[key] for other in same)]
    return _text(one, [key for key in differ if key != "fingerprint"])


def _text(one: Mapping[str, Any], keys: Sequence[str]) -> str:
    said = {key: str(one[key])[:8] if key == "fingerprint" else one[key] for key in keys}
    return str(as_text({"name": one.get("name")} | said))


def _flat(value: Any) -> dict[str, Any]:
    """A data set's fields and options side by side."""
    if not isinstance(value, Mapping):
        return {"name": value}
    return {k: v for k, v in value.items() if k != "options"} | dict(_mapping(value.get("options")))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
