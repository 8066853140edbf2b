"""The fitted depth trends: the page's table, and trends.parquet."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from skipray.analysis.series import finite
from skipray.report.groups import Layout, plain
from skipray.report.numbers import number
from skipray.report.words import interval, probability
from skipray.spec.cell import value_text
from skipray.trends.depth_trend import NO_CURVE_FITS

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate
    from skipray.analysis.series import Series
    from skipray.trends import DepthTrend


MAX_FITS = 240
"""Rows of the fits' table on the page; trends.parquet has all."""


ROUNDING = 1e-12
"""An error is 0 below so much of the largest value."""


@dataclass(frozen=True)
class FitRow:
    metric: str
    group: str
    verdict: str
    parameters: tuple[tuple[str, str, str], ...]
    """Name, estimate, interval."""
    weights: tuple[str, ...]
    """A curve and its AICc weight, the heaviest first."""
    error: str
    p: str
    notes: str


def fit_rows(aggregate: "Aggregate", layout: Layout) -> list[FitRow]:
    return [_fit_row(s, layout) for s in aggregate.series[:MAX_FITS]]


def _fit_row(series: "Series", layout: Layout) -> FitRow:
    t: DepthTrend = series.trend
    heaviest = sorted(t.weights.items(), key=lambda item: -item[1])[:3]
    error = t.left_out_error.get(t.curve) if t.curve is not None else None
    # Intervals of a curve that does not fit cover nothing.
    told = {} if t.verdict == NO_CURVE_FITS else t.parameters
    verdict = t.verdict if t.curve in (None, t.verdict) else f"{t.verdict} (best: {t.curve})"
    return FitRow(
        series.metric,
        layout.name(series.group),
        verdict.replace("_", " "),
        tuple((n.replace("_", " "), number(v), interval(low, high)) for n, (v, low, high) in told.items()),
        tuple(f"{c.replace('_', ' ')} {w:.2f}" for c, w in heaviest if w >= 0.005),
        number(0.0 if error is not None and error < ROUNDING * max(map(abs, series.value)) else error),
        "" if t.lack_of_fit is None else probability(t.lack_of_fit),
        "; ".join(plain(n).replace("_", " ") for n in t.notes),
    )


def trends_frame(aggregate: "Aggregate") -> pd.DataFrame:
    """trends.parquet: a row per depth trend; parameters and weights as JSON texts, limits as numbers."""
    limits: dict[Any, Any] = dict(aggregate.limits)
    names = aggregate.sweep.factor_names
    rows = []
    for s in aggregate.series:
        t, limit = s.trend, limits.get(s.group)
        rows.append(
            {
                "metric": s.metric,
                **s.group.row(names),
                "curve": t.curve,
                "verdict": t.verdict,
                "parameters": json.dumps({k: [finite(x) for x in v] for k, v in t.parameters.items()}),
                "weights": json.dumps(dict(t.weights)),
                "tied": json.dumps(list(t.tied)),
                "left_out_error": t.left_out_error.get(t.curve) if t.curve else None,
                "lack_of_fit_p": t.lack_of_fit,
                "values": len(s.value),
                "censored_values": sum(c != 0 for c in s.censored),
                "depths": len(set(s.depth)),
                "seeds": len(set(s.seed)),
                "limit_depth": None if limit is None else limit.depth,
                "limit_low": None if limit is None else limit.low,
                "limit_high": None if limit is None else limit.high,
                "limit_censored": None if limit is None else limit.censored,
                "notes": "; ".join(t.notes),
            }
        )
    columns = ["metric", "architecture", "curve", "verdict", "parameters", "weights"]
    frame = pd.DataFrame(rows, columns=None if rows else columns)
    numbers = ["left_out_error", "lack_of_fit_p", "limit_depth", "limit_low", "limit_high"]
    # A column of Parquet has one type: a factor of numbers and words is text.
    mixed = [n for n in names if n in frame and {type(v) for v in frame[n].dropna()} - {int, float}]
    frame = frame.astype({c: float for c in numbers if c in frame})
    return frame.assign(**{n: frame[n].map(value_text, na_action="ignore") for n in mixed})
