"""Claims that a sweep declares: how each kind is judged, and who judges which."""

from collections.abc import Callable
from typing import Any

from skipray.claims._claim import Finding
from skipray.claims._data import SweepData
from skipray.claims._own import comparison, correlation, limit, trend
from skipray.extension import catalog
from skipray.spec.claims import CodedClaim, ComparisonClaim, CorrelationClaim, LimitClaim, OwnClaim, TrendClaim

_JUDGES: dict[type, Callable[[Any, SweepData], Finding]] = {
    ComparisonClaim: comparison.judge,
    TrendClaim: trend.judge,
    LimitClaim: limit.judge,
    CorrelationClaim: correlation.judge,
}


def judge_own(claim: OwnClaim, data: SweepData) -> Finding:
    """What a declared claim finds in the data.

    Raises:
        ValueError: a claim of the user's own code raised, with the line.
    """
    if isinstance(claim, CodedClaim):
        with catalog.at_work(claim.kind):
            found: Finding = catalog.find("claims", claim.kind).judge(data)
        return found
    return _JUDGES[type(claim)](claim, data)
