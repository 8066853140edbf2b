"""Which of a sweep's metrics an analysis follows: by depth, by epoch, and in all."""

import pandas as pd

from skipray.analysis.score import judged_by
from skipray.metrics import GapMetric, Metric, SplitMetric, Tracked, tracked
from skipray.spec import SweepSpec


def trend_metrics(sweep: SweepSpec, *, of_splits: bool = False) -> tuple[str, ...]:
    """The depth series that are fitted, where they were tracked: what the metrics' files say.

    Args:
        of_splits: only those of the training and test splits.
    """
    kinds = (SplitMetric, GapMetric) if of_splits else (Metric,)
    return tuple(
        key
        for key, one in tracked_metrics(sweep).items()
        if one.trend and isinstance(one.metric, kinds) and (trains(sweep) or not one.needs_training)
    )


def fitted_metrics(sweep: SweepSpec, trials: pd.DataFrame) -> tuple[str, ...]:
    """Those, and what the trials are judged by: of values the losses."""
    return tuple(dict.fromkeys((*(judged_by(trials) if trains(sweep) else ()), *trend_metrics(sweep))))


def epoch_metrics(sweep: SweepSpec) -> tuple[str, ...]:
    """What is read by epoch: what the report draws."""
    return tuple(key for key, one in tracked_metrics(sweep).items() if one.by_epoch)


def tracked_metrics(sweep: SweepSpec) -> dict[str, Tracked]:
    """MLflow key -> declaration, of skipray's metrics and of those that the sweep names."""
    return tracked([name for cell in sweep.cells[:1] for name in cell.probe.metrics])


def trains(sweep: SweepSpec) -> bool:
    """Whether the sweep trains its networks, or measures them at initialisation alone."""
    return any(cell.recipe.epochs != 0 for cell in sweep.cells)  # an imported table need not say how many
