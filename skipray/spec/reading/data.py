"""Reads the data sets of a sweep file's cells, each once, with the place of every mistake."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pydantic

from skipray.extension import catalog
from skipray.spec import data_factors, samples
from skipray.spec.cell import bare_name
from skipray.spec.document import Location
from skipray.spec.fields import DatasetSpec, SweepFile
from skipray.spec.reading.mistakes import Mistakes
from skipray.spec.values import canonical_json
from skipray.spec.words import is_union_tag


@dataclass(frozen=True)
class CellData:
    """A data set that was found and checked, without its data being read."""

    spec: DatasetSpec
    fingerprint: str
    name: str
    """What it is called in this sweep, where data sets are a factor."""
    entry: Any
    task: samples.Task


class DataReader:
    """Reads those of one file."""

    def __init__(self, file: SweepFile, mistakes: Mistakes):
        self._file, self._mistakes = file, mistakes
        self._read: dict[str, CellData | None] = {}
        chosen = [v for key, values in file.factors.items() if bare_name(key) == data_factors.DATASET for v in values]
        chosen += [v for row in file.include for key, v in row.items() if bare_name(key) == data_factors.DATASET]
        self._chosen = [value for i, value in enumerate(chosen) if value not in chosen[:i]]
        self._names = data_factors.data_names(self._chosen)

    def of_cell(self, cell: Mapping[str, Any], loc: Location) -> CellData | None:
        """The data set of a cell; None where it is wrong, which has been said then, once.

        Args:
            loc: where the cell stands: `factors`, or a row of `include`.
        """
        asked = {key: value for key, value in cell.items() if data_factors.is_factor(key)}
        key = canonical_json(asked)
        if key not in self._read:
            self._read[key] = self._checked(asked, loc)
        return self._read[key]

    def check_scores(self) -> None:
        """Networks of one sweep are judged by one score."""
        tasks = {found.task: found.spec.name for found in self._read.values() if found is not None}
        if "values" in tasks and len(tasks) > 1:
            other = next(task for task in tasks if task != "values")
            self._mistakes.add(
                self.place(data_factors.DATASET, None, ("factors",)),
                f"found labels that are values ({tasks['values']}) beside {other} ({tasks[other]}), which no score "
                "judges alike; allowed: one of the two",
            )

    def place(self, bare: str, value: Any, loc: Location) -> Location:
        """Where a factor's value stands in the file, or, where it is none, the section's field."""
        rows = [(loc, self._file.include[loc[1]])] if loc[0] == "include" and isinstance(loc[1], int) else []
        for here, row in [*rows, (("factors",), self._file.factors)]:
            for key, found in row.items():
                if bare_name(key) != bare:
                    continue
                several = found if here == ("factors",) else []
                index = [i for i, one in enumerate(several) if one == value and type(one) is type(value)]
                return (*here, key, *index[:1])
        return (
            ("dataset", "name")
            if bare == data_factors.DATASET
            else ("dataset", *bare.removeprefix("dataset.").split("."))
        )

    def _checked(self, asked: dict[str, Any], loc: Location) -> CellData | None:
        chosen = asked.get(data_factors.DATASET)
        here = self.place(data_factors.DATASET, chosen, loc) if data_factors.DATASET in asked else ("dataset",)
        # A row of include may say anew what the section says, as of a network it may.
        twice = data_factors.said_twice(self._file.dataset if loc[0] == "factors" else {}, asked)
        if twice is not None:
            self._mistakes.add(
                self.place(twice, asked[twice], loc)[: -1 if loc[0] == "factors" else None],
                "found a factor of what the data set is told beside it; allowed: one of the two",
            )
            return None
        try:
            spec = DatasetSpec.model_validate(data_factors.data_section(self._file.dataset, asked))
        except pydantic.ValidationError as error:
            for detail in error.errors():
                self._say(detail, asked, here, loc)
            return None
        try:
            entry = catalog.find("datasets", spec.name)
        except ValueError as error:
            self._mistakes.add((*here, "name") if chosen is None or isinstance(chosen, Mapping) else here, str(error))
            return None
        try:
            with catalog.at_work(spec.name):
                if hasattr(entry, "check"):
                    entry.check(spec)
                elif spec.options and ":" not in spec.name:
                    raise ValueError(f"found options of {spec.name} ({', '.join(spec.options)}); allowed: none")
                samples.shape_and_outputs(entry, spec)
                enough = self._has_samples(spec, entry, asked, loc)
            task = samples.task_of(entry, spec)
        except (ValueError, FileNotFoundError) as error:
            self._mistakes.add(here, str(error))
            return None
        if not enough:
            return None
        fingerprint = self._fingerprint(spec, entry, chosen, here)
        if fingerprint is None:
            return None
        name = self._names[self._chosen.index(chosen)] if chosen in self._chosen else ""
        return CellData(spec, fingerprint, name, entry, task)

    def _fingerprint(self, spec: DatasetSpec, entry: Any, chosen: Any, here: Location) -> str | None:
        """What identifies the data; None where it is wrong or missing, which has been said then."""
        pinned = getattr(entry, "FINGERPRINT", None)
        # Files may hold another copy of the data; what skipray holds or generates itself is what it is.
        held = ":" not in spec.name and not hasattr(entry, "missing")
        if held and spec.fingerprint not in (None, pinned):
            above = here if isinstance(chosen, Mapping) and "fingerprint" in chosen else ("dataset",)
            found = f"found {spec.fingerprint!r}, which is not that of {spec.name}"
            self._mistakes.add((*above, "fingerprint"), f"{found}; allowed: left out, or {pinned}")
            return None
        if spec.fingerprint is None and pinned is None:
            how = samples.found_fingerprint(entry, spec)
            self._mistakes.add(here, f"found no fingerprint; allowed: the sha256 of the data of {spec.name}, {how}")
            return None
        return str(spec.fingerprint or pinned)

    def _has_samples(self, spec: DatasetSpec, entry: Any, asked: Mapping[str, Any], loc: Location) -> bool:
        """Whether a data set has the training samples that a factor asks for: cells that ask for more would train alike
        under different names. A number in the section `dataset` is a bound that data sets share. Where no factor asks,
        data that would have to be read for the answer, such as a table's, need not be there.
        """
        chosen = asked.get(data_factors.DATASET)
        if spec.train_samples is None:
            return True
        if "train_samples" in asked:
            place = self.place("train_samples", asked["train_samples"], loc)
        elif isinstance(chosen, Mapping) and "train_samples" in chosen:
            place = (*self.place(data_factors.DATASET, chosen, loc), "train_samples")
        else:
            return True
        left = samples.samples_left(entry, spec)
        if spec.train_samples <= left:
            return True
        most = samples.most_train_samples(entry, spec)
        self._mistakes.add(
            place,
            f"found {spec.train_samples}; allowed for {spec.name}: at most {left}, which validation_fraction "
            f"{spec.validation_fraction:g} leaves of its {most}",
        )
        return False

    def _say(self, detail: Any, asked: Mapping[str, Any], here: Location, loc: Location) -> None:
        """One error at the place that the wrong value stands at."""
        parts = tuple(p for p in detail["loc"] if not is_union_tag(p))
        chosen = asked.get(data_factors.DATASET)
        bare = data_factors.OPTION + str(parts[-1]) if parts[0] == "options" else str(parts[0])
        if parts == ("name",) and detail["type"] == "missing":
            above = ("dataset",) if chosen is None else here
            self._mistakes.add(above, "found no name; allowed: a data set's name (in dataset or as the factor dataset)")
        elif bare in asked:
            self._mistakes.add_detail(DatasetSpec, detail | {"place": self.place(bare, asked[bare], loc)}, ())
        elif isinstance(chosen, Mapping) and parts[0] in chosen:
            self._mistakes.add_detail(DatasetSpec, detail, here)
        elif parts == ("name",) and data_factors.DATASET in asked:
            self._mistakes.add_detail(DatasetSpec, detail | {"place": here}, ())
        else:
            self._mistakes.add_detail(DatasetSpec, detail, ("dataset",))
