"""A cell and its group: where a trial stands in a sweep's comparison.

A *cell* is one combination of a sweep's scientific factors; a *group* is a cell without its depth, so that the cells of
a group are one depth series. Only factors that a network has belong to its cell: a plain network has no cardinality,
whatever the sweep crosses, and must not be split from itself by one.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

Scalar = str | int | float | bool | None
"""A factor's value; a mapping or a list of the file in the words of `skipray.spec.values.as_text`."""
MAIN_FACTORS = ("architecture", "depth")
"""What every cell has; names and tables put them first."""


@dataclass(frozen=True)
class Group:
    """A family with the other factors that it has and their values: what has one depth series."""

    architecture: str
    """As the sweep's file has it: a file of skipray/architectures/, or `module:name`."""
    factors: tuple[tuple[str, Scalar], ...] = ()
    """Bare names and values of the other factors, in the file's order."""
    family: str = field(default="", compare=False)
    """What the architecture is called in this sweep (`family_names`)."""

    def __post_init__(self) -> None:
        if not self.family:
            object.__setattr__(self, "family", short_name(self.architecture))

    @cached_property
    def values(self) -> dict[str, Scalar]:
        """Name -> value of every factor but the depth, the architecture first."""
        return {"architecture": self.architecture, **dict(self.factors)}

    def row(self, names: Iterable[str]) -> dict[str, Scalar]:
        """The values with the further factors of these names, None where the family lacks one: alike for all groups."""
        return {"architecture": self.architecture} | {name: self.values.get(name) for name in names}

    @property
    def settings(self) -> list[str]:
        """The other factors in words, such as `normalization=batch`."""
        return [f"{name}={value_text(value)}" for name, value in self.factors]

    @property
    def label(self) -> str:
        """Such as `resnet normalization=batch`."""
        return " ".join([self.family, *self.settings])


@dataclass(frozen=True)
class Cell:
    """One combination of a sweep's factors: a group at a depth."""

    group: Group
    depth: int

    @cached_property
    def values(self) -> dict[str, Scalar]:
        """Bare name -> value of every factor: architecture, depth, then the others in the file's order."""
        return {"architecture": self.group.architecture, "depth": self.depth, **dict(self.group.factors)}

    def row(self, names: Iterable[str]) -> dict[str, Scalar]:
        """As `Group.row`, with the depth."""
        row = self.group.row(names)
        return {"architecture": row.pop("architecture"), "depth": self.depth} | row

    @property
    def label(self) -> str:
        """Such as `plainnet depth 56 normalization=batch`."""
        return " ".join([self.group.family, f"depth {self.depth}", *self.group.settings])


def bare_name(key: str) -> str:
    """The factor of a key of the file.

    >>> bare_name("recipe.learning_rate"), bare_name("learning_rate")
    ('learning_rate', 'learning_rate')
    >>> bare_name("dataset.name"), bare_name("dataset.train_samples"), bare_name("dataset.options.separation")
    ('dataset', 'train_samples', 'dataset.options.separation')
    """
    if key == "dataset.name":
        return "dataset"
    return re.sub(r"^(model\.|recipe\.|dataset\.(?!options\.))", "", key)


def short_name(name: str) -> str:
    """A family or a data set without the module that it comes from.

    >>> short_name("nets:vit"), short_name("resnet")
    ('vit', 'resnet')
    """
    return name.rpartition(":")[2]


def family_names(architectures: Iterable[str]) -> dict[str, str]:
    """Architecture -> what it is called where these stand side by side: its short name, or, where two would be called
    alike, its whole one.

    >>> family_names(["resnet", "nets:vit", "nets2:vit", "nets:mixer"])
    {'resnet': 'resnet', 'nets:vit': 'nets:vit', 'nets2:vit': 'nets2:vit', 'nets:mixer': 'mixer'}
    """
    distinct = list(dict.fromkeys(architectures))
    bearers = Counter(short_name(a) for a in distinct)
    return {a: short_name(a) if bearers[short_name(a)] == 1 else a for a in distinct}


def factor_names(cells: Iterable[Cell]) -> list[str]:
    """Bare names of the factors that some of the cells have, but architecture and depth; in the file's order."""
    groups = dict.fromkeys(cell.group for cell in cells)
    return list(dict.fromkeys(name for group in groups for name, _ in group.factors))


def value_text(value: Scalar) -> str:
    """A factor's value in a name or a table.

    >>> value_text(0.05), value_text(1.0), value_text(None), value_text(True)
    ('0.05', '1', 'none', 'true')
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.12g}" if isinstance(value, float) else str(value)
