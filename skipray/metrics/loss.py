"""Loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.metrics import SplitMetric

if TYPE_CHECKING:
    from torch import Tensor

    from skipray.metrics.computing.judged import Judged

METRIC = SplitMetric(
    key="loss",
    definition="mean loss of the recipe, without its label smoothing: the cross-entropy where it names no other",
    source="Cover and Thomas, Elements of Information Theory, section 2.3",
    axis="loss",
    better="lower",
    scale="log",
    by_epoch=("train",),
    needs_classes=False,
)


def measure(batch: Judged) -> Tensor:
    from torch.nn.functional import cross_entropy

    if batch.mean_loss is None:
        return cross_entropy(batch.scores.float(), batch.targets, reduction="sum")
    return batch.mean_loss(batch.scores.float(), batch.targets).double() * batch.count
