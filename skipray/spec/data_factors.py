"""The data sets of a sweep: one that all cells share, or a factor.

The section `dataset` holds what all cells share, as `model` does for networks. The factor `dataset` has data sets by
their names, or as mappings with options and a fingerprint of their own; `train_samples` and its like, and
`dataset.options.NAME`, are factors as any field is.
"""

from collections.abc import Iterable, Mapping
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
        data |= dict(chosen) | ({"options": options} if options else {})
    elif DATASET in cell:
        data["name"] = chosen
    data |= {key: value for key, value in cell.items() if key in FIELDS}
    named = {key.removeprefix(OPTION): value for key, value in cell.items() if key.startswith(OPTION)}
    if named:
        data["options"] = {**_mapping(data.get("options")), **named}
    return data


def value_of(dataset: DatasetSpec, bare: str) -> Any:
    """The value of a factor's field or option."""
    return dataset.options.get(bare.removeprefix(OPTION)) if bare.startswith(OPTION) else getattr(dataset, bare)


def data_names(chosen: Iterable[Any]) -> list[str]:
    """What each value of the factor `dataset` is called, in the file's words; fingerprints are said only where nothing
    else tells two apart.

    >>> data_names(["digits", {"name": "nets:wine", "fingerprint": "8a92"}, {"name": "digits", "train_samples": 100}])
    ['digits', 'nets:wine', 'digits(train_samples=100)']
    >>> data_names([{"name": "nets:wine", "fingerprint": "8a92"}, {"name": "nets:wine", "fingerprint": "6da6"}])
    ['nets:wine(fingerprint=8a92)', 'nets:wine(fingerprint=6da6)']
    """
    distinct: list[Any] = []
    for value in chosen:
        if value not in distinct:
            distinct.append(value)
    short = [_text(value) for value in distinct]
    return [
        name if short.count(name) == 1 or not isinstance(value, Mapping) else _text(value, printed=True)
        for name, value in zip(short, distinct, strict=True)
    ]


def _text(value: Any, *, printed: bool = False) -> str:
    if not isinstance(value, Mapping):
        return str(as_text(value))
    rest = {k: v for k, v in value.items() if k not in ("fingerprint", "options")} | dict(
        _mapping(value.get("options"))
    )
    if printed and "fingerprint" in value:
        rest["fingerprint"] = str(value["fingerprint"])[:8]
    return str(as_text(rest))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
