"""From a depth series to a depth trend, with intervals that hold at 3 to 10 seeds. numpy and scipy only."""

from skipray.trends.depth_trend import DepthTrend, fit_depth_trend
from skipray.trends.trainability import Limit, trainability_limit

__all__ = ["DepthTrend", "Limit", "fit_depth_trend", "trainability_limit"]
