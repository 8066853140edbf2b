"""Accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.metrics import SplitMetric

if TYPE_CHECKING:
    from torch import Tensor

    from skipray.metrics.computing.judged import Judged

METRIC = SplitMetric(
    key="accuracy",
    definition="share of the samples whose largest score is their label's",
    source="a count",
    axis="accuracy",
    low=0.0,
    high=1.0,
    better="higher",
    figure="accuracy-by-depth",
    trends=("train", "test"),
    by_epoch=("train",),
    listed=("train", "test"),
)


def measure(batch: Judged) -> Tensor:
    return right(batch.scores, batch.targets)


def right(scores: Tensor, targets: Tensor) -> Tensor:
    """How many labels are named rightly; () int64."""
    return (scores.argmax(-1) == targets).sum()
