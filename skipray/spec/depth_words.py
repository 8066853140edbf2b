"""What a family's depth counts, as it says itself."""

from collections.abc import Iterable, Mapping

from skipray.extension import catalog

WEIGHT_LAYERS = "weight layers"
"""On the main path, the stem and the classifier included: of skipray's families that do not say otherwise."""


def depth_units(architectures: Iterable[str]) -> dict[str, str]:
    """Family -> what its depth counts: its own `DEPTH`. One's own that does not say is left out."""
    found = {name: _unit(name) for name in architectures}
    return {name: unit for name, unit in found.items() if unit}


def depth_words(architectures: Iterable[str], units: Mapping[str, str]) -> str:
    """Depth with what it counts; `depth` alone where a family does not say.

    Args:
        units: of a sweep (`SweepSpec.depth_units`); a store of an earlier skipray has none.

    >>> units = {"resnet": "weight layers", "transformer": "blocks"}
    >>> depth_words(["resnet"], units), depth_words(units, units), depth_words(["mine:net"], units)
    ('depth (weight layers)', 'depth (weight layers or blocks)', 'depth')
    """
    told = list(dict.fromkeys(units.get(name) or ("" if ":" in name else _unit(name)) for name in architectures))
    return f"depth ({' or '.join(told)})" if told and all(told) else "depth"


def _unit(architecture: str) -> str:
    try:
        family = catalog.find("architectures", architecture)
    except ValueError:
        return ""
    return str(getattr(family, "DEPTH", "" if ":" in architecture else WEIGHT_LAYERS))
