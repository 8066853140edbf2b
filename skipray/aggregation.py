"""From the tracked runs of a sweep to what the report says. Reads only what was tracked; knows neither torch nor Ray."""

from dataclasses import dataclass

import pandas as pd

from skipray.claims import Claim
from skipray.spec import SweepSpec
from skipray.trends import DepthTrend, Limit


@dataclass(frozen=True)
class Series:
    """A depth series with its trend: one metric of one cell group (an architecture and the other factors' values)."""

    metric: str
    group: tuple[tuple[str, object], ...]
    """Factors but depth, such as (("architecture", "plainnet"),)."""
    depth: tuple[int, ...]
    value: tuple[float, ...]
    seed: tuple[int, ...]
    censored: tuple[int, ...]
    trend: DepthTrend


@dataclass(frozen=True)
class Aggregate:
    """Everything the report is drawn from."""

    sweep: SweepSpec
    trials: pd.DataFrame
    """skipray.tracking.read_trials: one row a finished trial."""
    histories: pd.DataFrame
    """Columns trial_id, epoch, metric, value: metrics by epoch."""
    layers: pd.DataFrame
    """Columns trial_id and skipray.records.LAYER_COLUMNS, first and last epoch."""
    series: tuple[Series, ...]
    limits: tuple[tuple[tuple[tuple[str, object], ...], Limit], ...]
    """Trainability limit of each group."""
    claims: tuple[Claim, ...]
    audit: tuple[str, ...]
    """Breaches of the protocol; empty when clean."""
    coverage: pd.DataFrame
    """Columns: the factors, seeds, finished, diverged, untrained, failed, running, missing."""
