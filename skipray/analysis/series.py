"""Depth series of a sweep's trials, each with its fitted trend."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from skipray.analysis import elsewhere
from skipray.metrics import Tracked
from skipray.spec import Group
from skipray.trends import DepthSeries, DepthTrend, fit_depth_trends

MAX_FITTED_SEEDS = 60
"""More seeds than these are pooled in blocks before a trend is fitted."""


@dataclass(frozen=True)
class Series:
    """A depth series with its trend: one metric of one group."""

    metric: str
    group: Group
    depth: tuple[int, ...]
    value: tuple[float, ...]
    seed: tuple[int, ...]
    censored: tuple[int, ...]
    """-1 the truth is below the value, 0 it is the value, 1 above."""
    trend: DepthTrend


def grouped(rows: pd.DataFrame, groups: Sequence[Group]) -> list[tuple[Group, pd.DataFrame]]:
    """Each group with its rows, in the order of first appearance.

    Args:
        groups: the group of each row.
    """
    position = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    codes = np.array([position[group] for group in groups], dtype=int)
    return [(group, rows[codes == i]) for group, i in position.items()]


def expect_censored(trials: pd.DataFrame) -> None:
    """Have ready what censored series are fitted beside this process with, where these trials have such values."""
    if any(trials[name].any() for name in trials if str(name).endswith(".censored")):
        elsewhere.make_ready()


def series_of(
    groups: list[tuple[Group, pd.DataFrame]], metrics: Sequence[str], known: Mapping[str, Tracked]
) -> list[Series]:
    """The trends of every metric in every group.

    Args:
        known: key -> declaration, which gives the bounds that no level and no band leaves.
    """
    return begin_series(groups, metrics, known)()


def begin_series(
    groups: list[tuple[Group, pd.DataFrame]], metrics: Sequence[str], known: Mapping[str, Tracked]
) -> Callable[[], list[Series]]:
    """As `series_of`: returns what waits for the trends. Those of censored series are fitted beside this process.

    The last values of a network that diverged are those of the network before: no trend has them.
    """
    found: list[tuple[str, Group, pd.DataFrame]] = []
    pooled: list[tuple[DepthSeries, tuple[str, ...]]] = []
    # A table of cells has no outcomes.
    diverged = [np.asarray(rows.get("outcome", np.full(len(rows), "")) == "diverged", dtype=bool) for _, rows in groups]
    for metric in metrics:
        bounds = (known[metric].low, known[metric].high) if metric in known else None
        for (group, rows), bad in zip(groups, diverged, strict=True):
            if metric not in rows:
                continue
            finite = np.isfinite(rows[metric].to_numpy(float))
            kept, lost = rows[finite & ~bad], int(np.sum(finite & bad))
            if kept.empty:
                continue
            values = pd.DataFrame(
                {
                    "depth": kept["depth"].to_numpy(float),
                    "value": kept[metric].to_numpy(float),
                    "seed": kept["seed"].to_numpy(),
                    "censored": censoring(kept, metric),
                }
            )
            found.append((metric, group, values))
            series, notes = _pooled(values, bounds)
            note = (f"{lost} of {lost + len(kept)} networks diverged and are left out",) if lost else ()
            pooled.append((series, (*notes, *note)))
    trends = _begin_trends([series for series, _ in pooled])

    def fitted() -> list[Series]:
        return [
            Series(
                metric,
                group,
                tuple(int(d) for d in values["depth"]),
                tuple(float(v) for v in values["value"]),
                tuple(int(s) for s in values["seed"]),
                tuple(int(c) for c in values["censored"]),
                replace(trend, notes=(*trend.notes, *notes)),
            )
            for (metric, group, values), (_, notes), trend in zip(found, pooled, trends(), strict=True)
        ]

    return fitted


def _begin_trends(series: list[DepthSeries]) -> Callable[[], list[DepthTrend]]:
    """A trend is the same whatever is fitted with it."""
    censored = [one for one in series if one.censored is not None]
    waited = elsewhere.begin(fit_depth_trends, censored) if censored else list
    here = iter(fit_depth_trends([one for one in series if one.censored is None]))

    def fitted() -> list[DepthTrend]:
        there = iter(waited())
        return [next(here) if one.censored is None else next(there) for one in series]

    return fitted


def _pooled(
    rows: pd.DataFrame, bounds: tuple[float | None, float | None] | None
) -> tuple[DepthSeries, tuple[str, ...]]:
    """What is fitted of a series, with a note; of very many seeds the means of MAX_FITTED_SEEDS blocks of seeds.

    A fit's cost grows with the square of the seeds. Blocks keep the means, and their spread is that of the means, so
    intervals stay what they are; a block with a bound in it is a bound.
    """
    seeds, rank = np.unique(rows["seed"].to_numpy(), return_inverse=True)
    notes: tuple[str, ...] = ()
    if len(seeds) > MAX_FITTED_SEEDS:
        rows = rows.assign(seed=rank * MAX_FITTED_SEEDS // len(seeds))
        blocks = rows.groupby(["depth", "seed"], as_index=False)
        rows = blocks.agg(value=("value", "mean"), low=("censored", "min"), high=("censored", "max"))
        rows["censored"] = np.where(rows["high"] > 0, 1, np.where(rows["low"] < 0, -1, 0))
        notes = (f"means of {MAX_FITTED_SEEDS} blocks of {len(seeds)} seeds were fitted",)
    censored = rows["censored"].to_numpy() if (rows["censored"] != 0).any() else None
    seed = rows["seed"].to_numpy()
    return DepthSeries(rows["depth"].to_numpy(), rows["value"].to_numpy(), censored, seed, bounds), notes


def censoring(rows: pd.DataFrame, metric: str) -> np.ndarray:
    """The `.censored` twin of a metric, 0 where there is none; axes (rows,)."""
    twin = f"{metric}.censored"
    if twin not in rows:
        return np.zeros(len(rows), dtype=int)
    return rows[twin].fillna(0).to_numpy().astype(int)


def finite(value: float | None) -> float | None:
    """JSON has no infinity: an open end of an interval is null."""
    return float(value) if value is not None and math.isfinite(value) else None
