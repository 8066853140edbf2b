"""The generalization gap in accuracy."""

from skipray.metrics import GapMetric

METRIC = GapMetric(
    key="gap.accuracy",
    of="accuracy",
    definition="train accuracy − test accuracy; an untrained network has none",
    source="Jiang et al. 2020",
    axis="generalization gap (train − test accuracy)",
    low=-1.0,
    high=1.0,
    better="lower",
    figure=None,
    trend=True,
)


def measure(train: float, test: float) -> float:
    return train - test
