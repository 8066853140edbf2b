"""What a family's depth counts, as it says itself."""

from collections.abc import Iterable, Mapping, Sequence

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
    told = list(dict.fromkeys(_told(name, units) for name in architectures))
    return f"depth ({' or '.join(told)})" if told and all(told) else "depth"


def plain_depth(*depths: float) -> str:
    """A depth, or a range of depths, without what it counts: `depth 8`, `depth 8 to 20`."""
    return f"depth {_numbers(depths)}"


def _numbers(depths: Iterable[float]) -> str:
    return " to ".join(f"{depth:.0f}" for depth in depths)


def depth_at(depths: Sequence[float], architectures: Iterable[str], units: Mapping[str, str]) -> str:
    """A depth, or a range, as all of a sweep's families call it; `depth 8` where they count different things, weight
    layers, or do not say.

    >>> units = {"resnet": "weight layers", "transformer": "blocks"}
    >>> [depth_at(depths, ["transformer"], units) for depths in ([8], [1.4], [8, 20])]
    ['8 blocks', '1 block', '8 to 20 blocks']
    >>> depth_at([8], units, units)
    'depth 8'
    """
    told = {_told(name, units) for name in architectures}
    unit = told.pop() if len(told) == 1 else ""
    if unit in ("", WEIGHT_LAYERS):
        return plain_depth(*depths)
    shown = _numbers(depths)
    return f"{shown} {unit.removesuffix('s') if shown == '1' and not unit.endswith('ss') else unit}"


def depth_sentence(families: Mapping[str, str], units: Mapping[str, str]) -> str:
    """What depth counts, in a sentence; empty where no family says it.

    Args:
        families: architecture -> what it is called.
        units: as in `depth_words`.

    >>> units = {"resnet": "weight layers", "plainnet": "weight layers", "nets:vit": "blocks"}
    >>> depth_sentence({"resnet": "ResNet", "plainnet": "PlainNet"}, units)
    'Depth counts weight layers.'
    >>> depth_sentence({"resnet": "ResNet", "plainnet": "PlainNet", "nets:vit": "vit"}, units)
    'Depth counts weight layers of ResNet and PlainNet, blocks of vit.'
    """
    said: dict[str, list[str]] = {}
    for architecture, family in families.items():
        said.setdefault(_told(architecture, units), []).append(family)
    unsaid = said.pop("", [])
    if len(said) == 1 and not unsaid:
        return f"Depth counts {next(iter(said))}."
    parts = [f"{unit} of {' and '.join(dict.fromkeys(of))}" for unit, of in said.items()]
    return f"Depth counts {', '.join(parts)}." if parts else ""


def _told(architecture: str, units: Mapping[str, str]) -> str:
    return units.get(architecture) or ("" if ":" in architecture else _unit(architecture))


def _unit(architecture: str) -> str:
    try:
        family = catalog.find("architectures", architecture)
    except ValueError:
        return ""
    said = str(getattr(family, "DEPTH", "" if ":" in architecture else WEIGHT_LAYERS))
    return " ".join(said.split())  # it stands inside of sentences
