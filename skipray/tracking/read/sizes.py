"""How large a network is, by its saved weights, where no manifest says it and its family cannot be imported here."""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from skipray.extension import catalog
from skipray.spec import TrialSpec
from skipray.tracking.files import local_folder
from skipray.tracking.read.row import RunRow

BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
"""What batch normalization keeps and does not learn."""


def weighed(uri: str, trials: Iterable[TrialSpec], rows: Mapping[str, RunRow]) -> dict[str, dict[str, int]]:
    """trial_id -> `parameters`, of trials whose family cannot be found here and whose weights are on this machine."""
    found: dict[str, dict[str, int]] = {}
    of_model: dict[object, int | None] = {}
    for trial in trials:
        row = rows.get(trial.trial_id)
        if row is None or _is_known(trial.model.architecture):
            continue
        if of_model.get(trial.model) is None:
            folder = local_folder(uri, row.artifact_uri, row.run_id)
            of_model[trial.model] = _parameters(folder / "weights.safetensors") if folder is not None else None
        parameters = of_model[trial.model]
        if parameters is not None:
            found[trial.trial_id] = {"parameters": parameters}
    return found


def _is_known(architecture: str) -> bool:
    try:
        catalog.find("architectures", architecture)
    except ValueError:
        return False
    return True


def _parameters(path: Path) -> int | None:
    """Learned values, by the header of a safetensors file; None where there is none that can be read."""
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        shapes = {k: v["shape"] for k, v in header.items() if k != "__metadata__"}
    except (OSError, ValueError, KeyError, TypeError, MemoryError, OverflowError):
        return None
    return sum(math.prod(shape) for name, shape in shapes.items() if name.rpartition(".")[2] not in BUFFERS)
