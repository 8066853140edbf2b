"""What networks are judged by, and what one gets without learning: all that `trained` needs to know of a task."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from skipray.extension import catalog
from skipray.records import CHANCE_LOSS, CHANCE_SCORE
from skipray.spec import SweepSpec, TrialSpec
from skipray.spec.samples import shape_and_outputs, task_of

if TYPE_CHECKING:
    import pandas as pd

ACCURACIES, LOSSES = ("train.accuracy", "test.accuracy"), ("train.loss", "test.loss")


def judged_by(trials: "pd.DataFrame") -> tuple[str, ...]:
    """What trials are shown by before anything else: their accuracies; their losses where they have none, since they
    predict values."""
    return ACCURACIES if any(np.isfinite(_column(trials, key)).any() for key in ACCURACIES) else LOSSES


@dataclass(frozen=True)
class Score:
    """Of each trial; NaN where it was not tracked."""

    label: str
    """`train accuracy`"""
    value: np.ndarray
    """(trials,) higher is better."""
    chance: np.ndarray
    """(trials,) the score of the best constant answer."""
    loss: np.ndarray
    """(trials,) final training loss."""
    chance_loss: np.ndarray
    """(trials,) the loss of the best constant answer."""
    perfect: float = 1.0


def score_of(sweep: SweepSpec, trials: "pd.DataFrame") -> Score:
    """After the last epoch, on the whole training split: of a classification the train accuracy; of values the share of
    the loss that the network takes off that of their mean, R squared where the loss is the mean squared error.

    Chance is what each trial has logged; of trials from before that was logged, one class among equally frequent ones.
    """
    loss, constant = _column(trials, "train.loss"), _column(trials, CHANCE_LOSS)
    if _predicts_values(sweep):
        with np.errstate(divide="ignore", invalid="ignore"):
            return Score("train R²", 1 - loss / constant, np.zeros(len(trials)), loss, constant)
    classes = _classes(sweep, trials)
    entropy = np.log(classes) if _cross_entropy(sweep) else np.full(len(trials), math.nan)
    return Score(
        "train accuracy",
        _column(trials, "train.accuracy"),
        _column(trials, CHANCE_SCORE, 1.0 / classes),
        _column(trials, "train.loss"),
        _column(trials, CHANCE_LOSS, entropy),
    )


def _column(trials: "pd.DataFrame", name: str, absent: "float | np.ndarray" = math.nan) -> np.ndarray:
    if name not in trials:
        return np.broadcast_to(absent, len(trials)).astype(float)
    import pandas as pd

    found = pd.to_numeric(trials[name], errors="coerce").to_numpy(dtype=float)
    return np.where(np.isfinite(found), found, absent)


def _cross_entropy(sweep: SweepSpec) -> bool:
    return all((cell.recipe.loss or {}).get("name", "cross_entropy") == "cross_entropy" for cell in sweep.cells)


def _classes(sweep: SweepSpec, trials: "pd.DataFrame") -> np.ndarray:
    """(trials,) of each one's data set."""
    of_data = {_data(cell.flat()): classes_of(cell) for cell in sweep.data_cells}
    if len(of_data) == 1:
        return np.full(len(trials), next(iter(of_data.values())))
    return np.array([of_data.get(_data(row), math.nan) for row in trials.to_dict("records")], dtype=float)


def _data(flat: Mapping[Any, Any]) -> tuple[Any, Any]:
    """What says how many classes a trial's data have."""
    options = flat.get("dataset.options")
    return flat.get("dataset.name"), options if isinstance(options, str) else None


def classes_of(cell: TrialSpec) -> float:
    """Classes of a cell's data set; NaN where its own file is not at hand, or where labels are values."""
    try:
        entry = catalog.find("datasets", cell.dataset.name)
        if task_of(entry, cell.dataset) == "values":
            return math.nan
        return float(shape_and_outputs(entry, cell.dataset)[1])
    except (ValueError, OSError):
        return math.nan


def _predicts_values(sweep: SweepSpec) -> bool:
    """Of any of its data sets, which are all judged by one score."""
    try:
        return task_of(catalog.find("datasets", sweep.dataset.name), sweep.dataset) == "values"
    except (ValueError, OSError):
        return False
