"""Claims that a sweep declares: how each kind is judged, and who judges which."""

from collections.abc import Callable
from functools import partial
from typing import Any

from skipray.claims.judging.by_data import on_each_data_set
from skipray.claims.judging.claim import Finding, untested
from skipray.claims.judging.data import SweepData
from skipray.claims.judging.own import comparison, correlation, limit, trend
from skipray.extension import catalog, own_code
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
    if isinstance(claim, CodedClaim):
        return _by_its_code(claim, data)
    judge = partial(_JUDGES[type(claim)], claim)
    names = [getattr(claim, field, None) for field in ("family", "than")]
    apart = {key for name in names if isinstance(name, str) for key in narrowed(name)[1]}
    return judge(data) if DATASET in apart else on_each_data_set(judge, data, apart)


def _by_its_code(claim: CodedClaim, data: SweepData) -> Finding:
    """What the user's own code finds; where it raises, the claim was not tested, and all else is judged."""
    statement = claim.statement or f"What {claim.kind} judges"
    if data.trials.empty:
        return untested(statement, "Run the sweep.", "no trial has finished")
    judge = catalog.find("claims", claim.kind).judge
    try:
        found = judge(data)
    except (Exception, SystemExit) as error:
        what = "Mend the claim's code, then run `skipray report`: what was measured stays as it is."
        return untested(statement, what, f"{claim.kind} raised {own_code.said(error)}")
    if not isinstance(found, Finding):
        what = "Have the claim's code return what `skipray.claims.finding` or `untested` makes."
        return untested(statement, what, f"{claim.kind} returned {type(found).__name__}; allowed: a Finding")
    return found
