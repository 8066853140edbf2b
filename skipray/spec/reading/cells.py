"""The cells of a sweep file as they are written there."""

import itertools
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from skipray.spec.cell import bare_name
from skipray.spec.document import Location
from skipray.spec.fields import SweepFile
from skipray.spec.reading.mistakes import Mistakes


@dataclass(frozen=True)
class WrittenCell:
    """One combination of factors as the file has it, before it is known whether there is such a network."""

    file: SweepFile
    values: dict[str, Any]
    """Of each factor, by its bare name."""
    loc: Location
    """`factors`, or a row of `include`."""

    def place(self, key: str, value: Any, section: str) -> Location:
        """Where a value of the cell stands in the file: the factor that has it, or the field of the section."""
        if self.loc[0] == "include":
            row = self.file.include[typing.cast(int, self.loc[1])]
            for name in row:
                if bare_name(name) == key:
                    return (*self.loc, name)
            return (section, *key.split("."))
        for name, values in self.file.factors.items():
            if bare_name(name) == key:
                for i, other in enumerate(values):
                    if other == value and type(other) is type(value):
                        return ("factors", name, i)
                return ("factors", name)
        return (section, *key.split("."))


def written_cells(file: SweepFile, mistakes: Mistakes) -> Iterator[WrittenCell]:
    """The product of the factors without what `exclude` matches, and the rows of `include`."""
    keys = [bare_name(key) for key in file.factors]
    used = [0] * len(file.exclude)
    for values in itertools.product(*file.factors.values()):
        cell = dict(zip(keys, values, strict=True))
        hits = [i for i, row in enumerate(file.exclude) if _matches(cell, row)]
        for i in hits:
            used[i] += 1
        if not hits:
            yield WrittenCell(file, cell, ("factors",))
    for i, count in enumerate(used):
        if not count:
            mistakes.add(("exclude", i), "found a row that excludes nothing; allowed: rows that match a cell")
    for i, row in enumerate(file.include):
        yield WrittenCell(file, {bare_name(key): value for key, value in row.items()}, ("include", i))


def factor_names(file: SweepFile) -> tuple[str, ...]:
    """Bare names of what the cells vary: a field that only some rows of `include` vary is a factor of every cell whose
    network has it."""
    keys = [*file.factors, *(key for row in file.include for key in row)]
    return tuple(dict.fromkeys([*map(bare_name, keys), *(["depth"] if file.adaptive else [])]))


def architectures(file: SweepFile) -> list[str]:
    """Every architecture that the file names."""
    rows = [file.model, *file.include]
    named = [value for row in rows for key, value in row.items() if bare_name(key) == "architecture"]
    named += [v for key, values in file.factors.items() if bare_name(key) == "architecture" for v in values]
    return [name for name in named if isinstance(name, str)]


def _matches(cell: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """A row's value is one value or a list of them; a data set with options of its own is also matched by its name."""

    def bare(value: Any) -> Any:
        """`{name: adam}` is `adam`."""
        return value["name"] if isinstance(value, Mapping) and set(value) == {"name"} else value

    def holds(own: Any, value: Any) -> bool:
        several = [bare(v) for v in value] if isinstance(value, list) else [bare(value)]
        return bare(own) in several or (isinstance(own, Mapping) and own.get("name") in several)

    return all(holds(cell[bare_name(key)], value) for key, value in row.items())
