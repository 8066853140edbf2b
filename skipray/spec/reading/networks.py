"""The network of one cell: its family's fields and options, its initialisation, and whether its family builds it."""

from contextlib import suppress
from typing import Any

from skipray.extension import catalog
from skipray.spec import depth_rules, models, samples
from skipray.spec.fields import ModelSpec
from skipray.spec.reading.cells import WrittenCell, architectures
from skipray.spec.reading.data import CellData
from skipray.spec.reading.mistakes import Mistakes
from skipray.spec.reading.parts import add_wrong_rules, validate_part


def read_network(cell: WrittenCell, of_cell: CellData, mistakes: Mistakes) -> ModelSpec | None:
    """The network with the fields that its family reads; None where it is wrong, which has been said then."""
    data = models.model_data(cell.file.model, cell.values)
    data, wrong = depth_rules.resolved("model", data, data.get("depth"))
    if add_wrong_rules(wrong, cell, "model", mistakes):
        return None
    architecture, family = data.get("architecture"), None
    if isinstance(architecture, str):
        try:
            family = catalog.find("architectures", architecture)
        except ValueError as error:
            mistakes.add(cell.place("architecture", architecture, "model"), str(error))
            return None
    written = validate_part(ModelSpec, data, cell, "model", mistakes)
    if written is None:
        return None
    model = _with_fields_of(family, written, cell, data, mistakes)
    if model is None:
        return None
    try:
        scheme = catalog.find("initialisations", model.initialisation)
    except ValueError as error:
        mistakes.add(cell.place("initialisation", model.initialisation, "model"), str(error))
        return None
    return model if _is_accepted(model, family, scheme, cell, of_cell, mistakes) else None


def _with_fields_of(
    family: Any, written: ModelSpec, cell: WrittenCell, data: dict[str, Any], mistakes: Mistakes
) -> ModelSpec | None:
    """The model as its family reads it; None where it lacks a field, or has one that the family cannot have."""
    try:
        with catalog.at_work(written.architecture):
            lacking = list(models.missing(written, family))
            model = written if lacking else models.read_fields(written, family)
    except ValueError as error:
        mistakes.add(cell.place("architecture", written.architecture, "model"), str(error))
        return None
    for name, message in lacking:
        mistakes.add(("model", name), message)
    impossible = list(models.senseless(written, family))
    for name, message in impossible:
        mistakes.add(cell.place(name, data[name], "model"), message)
    unknown = [key for key in models.unknown_options(written, family, cell.values) if not _is_taken(key, cell)]
    for key in unknown:
        allowed = ", ".join(sorted(models.option_names(family, own=False) or ())) or "none"
        mistakes.add(
            ("model", "options", key), f"found the option {key}; allowed for {written.architecture}: {allowed}"
        )
    return None if lacking or impossible or unknown else model


def _is_taken(option: str, cell: WrittenCell) -> bool:
    """Whether some family of the sweep takes an option: from the others it is dropped, as a field is."""
    for name in architectures(cell.file):
        with suppress(ValueError):  # a name that there is not has its own mistake
            taken = models.option_names(catalog.find("architectures", name), own=":" in name)
            if taken is None or option in taken:
                return True
    return False


def _is_accepted(
    model: ModelSpec, family: Any, scheme: Any, cell: WrittenCell, of_cell: CellData, mistakes: Mistakes
) -> bool:
    """Whether the family and the initialisation, which are asked in turn, take this network on these data."""
    shape, classes = samples.shape_and_outputs(of_cell.entry, of_cell.spec)
    for name, entry, arguments in (
        (model.architecture, family, (model, shape, classes)),
        (model.initialisation, scheme, (model,)),
    ):
        if not hasattr(entry, "check"):
            continue
        try:
            with catalog.at_work(name):
                entry.check(*arguments)
        except ValueError as error:
            key = error.args[1] if len(error.args) > 1 else None
            message = str(error.args[0] if error.args else f"{name} refuses it")
            where = cell.place(key, models.value_of(model, key), "model") if key else cell.loc
            mistakes.add(where, message)
            return False
    return True
