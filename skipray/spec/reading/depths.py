"""The depths at which a cell of an adaptive sweep may be tried."""

from collections.abc import Iterator
from dataclasses import replace

from skipray.extension import catalog
from skipray.spec import models, samples
from skipray.spec.fields import Adaptive, ModelSpec
from skipray.spec.reading.cells import WrittenCell
from skipray.spec.reading.data import CellData, DataReader
from skipray.spec.reading.mistakes import Mistakes, tuples
from skipray.spec.words import show_cell


def at_depths(cell: WrittenCell, data: DataReader, mistakes: Mistakes) -> Iterator[WrittenCell]:
    """The cell; of an adaptive sweep, at every depth that its family can have."""
    adaptive = cell.file.adaptive
    if adaptive is None:
        yield cell
        return
    of_cell = data.of_cell(cell.values, cell.loc)
    if of_cell is None:
        return
    depths = list(_valid_depths(cell, adaptive, of_cell))
    if not depths:
        reach = f"{adaptive.low} to {adaptive.high}"
        mistakes.add(("adaptive",), f"found no depth of {show_cell(cell.values)} from {reach}; allowed: at least one")
    for depth in depths:
        yield replace(cell, values=cell.values | {"depth": depth})


def _valid_depths(cell: WrittenCell, adaptive: Adaptive, of_cell: CellData) -> Iterator[int]:
    """Depths that the family does not refuse. What else is wrong with the cell is found, and said, at each."""
    section = models.model_data(cell.file.model, cell.values)
    try:
        family = catalog.find("architectures", str(section.get("architecture", "")))
        model = ModelSpec.model_validate(tuples(section | {"depth": adaptive.low}))
        shape, classes = samples.shape_and_outputs(of_cell.entry, of_cell.spec)
    except ValueError:
        yield adaptive.low
        return
    for depth in range(adaptive.low, adaptive.high + 1):
        try:
            if hasattr(family, "check"):
                with catalog.at_work(model.architecture):
                    family.check(model.model_copy(update={"depth": depth}), shape, classes)
        except ValueError as error:
            if len(error.args) > 1 and error.args[1] == "depth":
                continue
        yield depth
