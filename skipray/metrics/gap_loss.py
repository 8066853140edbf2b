"""The generalization gap in loss."""

from skipray.metrics import GapMetric

METRIC = GapMetric(
    key="gap.loss",
    of="loss",
    definition="test loss − train loss, so that a positive one is worse, as with accuracies",
    source="Jiang et al. 2020",
    axis="generalization gap (test − train loss)",
    unit="nats",
    better="lower",
)


def measure(train: float, test: float) -> float:
    return test - train
