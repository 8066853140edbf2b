"""A declared trend: how a metric of a family changes from its shallowest depth to its deepest, seed by seed. One that
is flat changes until no other depth either; of others it is said where they have been elsewhere."""

from dataclasses import dataclass

from skipray.claims.judging.between import elsewhere, until_between, within_throughout
from skipray.claims.judging.change import Change, change_of
from skipray.claims.judging.claim import Comparison, Finding, Side, finding, untested
from skipray.claims.judging.data import SweepData, diverged_remark
from skipray.claims.judging.either_way import either_way, spread
from skipray.claims.judging.estimates import difference_within
from skipray.claims.judging.evidence import Evidence, Mean
from skipray.claims.judging.own._metrics import counted_as, missing, of_family
from skipray.spec.claims import TrendClaim

_WANTED: dict[str, Side] = {"rising": "above", "falling": "below", "flat": "within"}


def judge(claim: TrendClaim, data: SweepData) -> Finding:
    """Effect: the metric at the deepest depth less that at the shallowest, in its own units."""
    name = data.name(claim.family)
    size = f" by {'less' if claim.direction == 'flat' else 'more'} than {claim.margin:g}" if claim.margin else ""
    verb = {"rising": "rises", "falling": "falls", "flat": "changes"}[claim.direction]
    statement = claim.statement or f"{claim.metric} of {name} {verb}{size} with depth"
    what = f"Run {claim.family} at two or more depths with two or more seeds."
    absent = missing(data, claim.metric)
    if absent:
        return untested(statement, what, absent)
    found = _seen(claim, data)
    change = found.change
    if found.evidence is None or change.mean is None:
        return untested(statement, what, change.lacks)
    bounds = int((change.rows["censored"] != 0).sum())
    line = "" if bounds else f" (along a line {change.along_a_line:+.3g})"
    words = f"{change.mean.at}{change.mean.effect:+.3g} {change.ends}{line}{spread(found.evidence)}"
    words += elsewhere(found.between, change.mean.effect, claim.margin)
    words += f"; {bounds} values are bounds" if bounds else ""
    part = Comparison(
        f"change of {claim.metric} of {name}", found.evidence, "", "it changes as claimed",
        "it does not change as claimed", -claim.margin if claim.direction == "falling" else claim.margin,
        _WANTED[claim.direction],
    )  # fmt: skip
    return finding(
        statement, [part], change.rows["seed"], change.rows["depth"],
        supported=f"As claimed: {words}.", refuted=f"Not as claimed: {words}.", open=f"Open: {words}.", facts=words,
        remark=diverged_remark(data.of(claim.family), found.counted),
    )  # fmt: skip


@dataclass(frozen=True)
class _Seen:
    change: Change
    """That is told."""
    evidence: Evidence | None
    counted: str
    """What its diverged networks count as, in words."""
    between: dict[int, Mean]
    """Depth -> the change until there, of those between the ends."""


def _seen(claim: TrendClaim, data: SweepData) -> _Seen:
    """The change with diverged networks counted against the claim, and the evidence on it."""
    bad = counted_as(claim.metric)
    against = bad is not None and claim.direction != "falling"
    tables = [
        of_family(data, claim.metric, claim.family, lost) for lost in dict.fromkeys([bad if against else None, bad])
    ]
    told, *others = (change_of(table, table["stratum"].to_numpy()) for table in tables)
    said = "they count as all wrong" if against else "they are left out"
    if against and (~tables[0].index.isin(told.rows.index) & (tables[0]["outcome"] == "diverged")).any():
        said += ", and are left out at the shallowest depth"
    if told.mean is None:
        return _Seen(told, None, said, {})
    shown, *counted = (_within(one.mean, claim.metric) for one in (told, *others))
    assert shown is not None
    between = until_between(told, claim.metric)
    evidence = either_way(shown, counted, _WANTED[claim.direction])
    if claim.direction == "flat":
        evidence = within_throughout(evidence, between, claim.margin)
    return _Seen(told, evidence, said, between)


def _within(mean: Mean | None, metric: str) -> Mean | None:
    return None if mean is None else difference_within(mean, metric)
