"""What networks are judged by, and what one gets without learning: all that `trained` needs to know of a task."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from skipray.extension import catalog
from skipray.spec import SweepSpec
from skipray.spec.samples import shape_and_outputs, task_of

CHANCE_SCORE, CHANCE_LOSS = "chance.accuracy", "chance.loss"
"""Logged with a trial's last epoch: share of the most frequent class in the training split, and the cross-entropy of
naming each class with its frequency, in nats."""


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


def score_of(sweep: SweepSpec, trials: pd.DataFrame) -> Score:
    """After the last epoch, on the whole training split: of a classification the train accuracy; of values the share of
    the loss that the network takes off that of their mean, R squared where the loss is the mean squared error.

    Chance is what each trial has logged; of trials from before that was logged, one class among equally frequent ones.
    """
    loss, constant = _column(trials, "train.loss"), _column(trials, CHANCE_LOSS)
    if _predicts_values(sweep):
        with np.errstate(divide="ignore", invalid="ignore"):
            return Score("train R²", 1 - loss / constant, np.zeros(len(trials)), loss, constant)
    classes = _classes(sweep)
    entropy = math.log(classes) if classes is not None and _cross_entropy(sweep) else math.nan
    return Score(
        "train accuracy",
        _column(trials, "train.accuracy"),
        _column(trials, CHANCE_SCORE, math.nan if classes is None else 1.0 / classes),
        _column(trials, "train.loss"),
        _column(trials, CHANCE_LOSS, entropy),
    )


def _column(trials: pd.DataFrame, name: str, absent: float = math.nan) -> np.ndarray:
    if name not in trials:
        return np.full(len(trials), absent)
    found = pd.to_numeric(trials[name], errors="coerce").to_numpy(dtype=float)
    return np.where(np.isfinite(found), found, absent)


def _cross_entropy(sweep: SweepSpec) -> bool:
    return all((cell.recipe.loss or {}).get("name", "cross_entropy") == "cross_entropy" for cell in sweep.cells)


def _classes(sweep: SweepSpec) -> int | None:
    """None where the data set's own file is not at hand."""
    try:
        return shape_and_outputs(catalog.find("datasets", sweep.dataset.name), sweep.dataset)[1]
    except (ValueError, OSError):
        return None


def _predicts_values(sweep: SweepSpec) -> bool:
    try:
        return task_of(catalog.find("datasets", sweep.dataset.name), sweep.dataset) == "values"
    except (ValueError, OSError):
        return False
