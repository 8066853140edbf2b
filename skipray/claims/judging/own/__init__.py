"""Claims that a sweep declares: how each kind is judged, and who judges which."""

from collections.abc import Callable
from functools import partial
from typing import Any

from skipray.claims.judging.by_data import on_each_data_set
from skipray.claims.judging.claim import Finding
from skipray.claims.judging.data import SweepData
from skipray.claims.judging.own import coded, comparison, correlation, limit, trend
from skipray.spec.claims import (
    CodedClaim,
    ComparisonClaim,
    CorrelationClaim,
    LimitClaim,
    OwnClaim,
    TrendClaim,
    narrowed,
)
from skipray.spec.data_factors import DATASET

_JUDGES: dict[type, Callable[[Any, SweepData], Finding]] = {
    ComparisonClaim: comparison.judge,
    TrendClaim: trend.judge,
    LimitClaim: limit.judge,
    CorrelationClaim: correlation.judge,
}


def judge_own(claim: OwnClaim, data: SweepData) -> Finding:
    """What a declared claim finds in the data: on each data set, but for one that names data sets itself."""
    data = data.by_family
    if isinstance(claim, CodedClaim):
        return coded.judge(claim, data)
    judge = partial(_JUDGES[type(claim)], claim)
    names = [getattr(claim, field, None) for field in ("family", "than")]
    apart = {key for name in names if isinstance(name, str) for key in narrowed(name)[1]}
    return judge(data) if DATASET in apart else on_each_data_set(judge, data, apart)
