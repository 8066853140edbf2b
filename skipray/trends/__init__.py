"""From a depth series to a depth trend, with intervals that hold at 3 to 10 seeds. numpy and scipy only."""

from skipray.extension.field_docs import show_fields
from skipray.trends.depth_trend import DepthSeries, DepthTrend, fit_depth_trend, fit_depth_trends
from skipray.trends.trainability import DepthCount, Limit, trainability_limit
from skipray.trends.trainability_shift import Shift, trainability_shift

__all__ = [
    "DepthCount",
    "DepthSeries",
    "DepthTrend",
    "Limit",
    "Shift",
    "fit_depth_trend",
    "fit_depth_trends",
    "trainability_limit",
    "trainability_shift",
]

show_fields(__all__, globals())
