"""Two sweeps side by side, of whatever stores and versions: settings that differ, and results that differ beyond their
intervals.

Two results differ where their 95 % intervals do not overlap, trends where their simultaneous bands part at some depth
that both have. That is stricter than a test of the difference at 5 %: what is called different is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from skipray.analysis.aggregation import Aggregate
from skipray.analysis.series import Series, finite
from skipray.spec import Group, SweepSpec
from skipray.trends import Limit

NOT_SETTINGS = ("model.depth", "model.architecture", "seed")
"""What a sweep varies, or what makes its groups: compared as factors, not as settings."""
MOST_GROUPS = 8
"""Groups that a sentence names."""
JUDGED_OR_CHOSEN = ("trained", "claims", "tune", "adaptive")
"""Parts of a sweep that say how its results are judged, or which trials it has: no trial's own settings show them."""


@dataclass(frozen=True)
class Difference:
    """One thing of two sweeps."""

    kind: str
    """setting, trend, limit or verdict."""
    what: str
    a: str
    b: str
    differs: bool
    """setting: the values are not the same. Otherwise: beyond the intervals of both."""
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "what": self.what,
            "a": self.a,
            "b": self.b,
            "differs": self.differs,
            "note": self.note,
        }


def compare(a: Aggregate, b: Aggregate) -> tuple[Difference, ...]:
    """Every setting that differs, and every trend, limit and verdict that both have."""
    return (*settings(a.sweep, b.sweep), *trends(a, b), *limits(a, b), *verdicts(a, b))


def settings(a: SweepSpec, b: SweepSpec) -> list[Difference]:
    """What the sweeps were asked to do differently."""
    one, two = _values(a), _values(b)
    return [
        Difference("setting", key, _list(one.get(key, ())), _list(two.get(key, ())), True)
        for key in sorted({*one, *two})
        if one.get(key) != two.get(key)
    ]


def _values(sweep: SweepSpec) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for cell in sweep.cells:
        for key, value in cell.flat().items():
            if key not in NOT_SETTINGS:
                found.setdefault(key, set()).add(str(value))
    told = {key: tuple(sorted(values)) for key, values in found.items()}
    told["architecture"] = tuple(sorted({c.model.architecture for c in sweep.cells}))
    told["depth"] = tuple(str(d) for d in sorted({c.model.depth for c in sweep.cells}))
    told["seed"] = tuple(map(str, sorted(sweep.seeds)))
    for part in JUDGED_OR_CHOSEN:
        told |= {key: (value,) for key, value in _flat(part, getattr(sweep, part)).items()}
    told["numerics_version"] = tuple(sorted({str(c.numerics_version) for c in sweep.cells}))
    return told | {f"source of {n}": (str(s["hash"])[:12],) for n, s in sweep.sources.items()}


def _flat(name: str, value: Any) -> dict[str, str]:
    """Dotted names to texts; what is absent has none."""
    if isinstance(value, BaseModel):
        parts = (_flat(f"{name}.{key}", getattr(value, key)) for key in type(value).model_fields)
        return {key: text for part in parts for key, text in part.items()}
    return {} if value is None or value == () else {name: str(to_jsonable_python(value))}


def _list(values: Iterable[str]) -> str:
    return ", ".join(values) or "none"


def trends(a: Aggregate, b: Aggregate) -> list[Difference]:
    """Depth series that both have: what their curves are, and whether their bands part."""
    found = []
    for one, two in shared_series(a, b):
        name = f"{one.metric} of {one.group.label}"
        apart = widest(one, two)
        note = "" if apart is None else f"at depth {apart[0]:g}: {apart[1]:.3g} and {apart[2]:.3g}"
        differs = apart is not None and apart[3]
        found.append(Difference("trend", name, one.trend.verdict, two.trend.verdict, differs, note))
    return found


def shared_series(a: Aggregate, b: Aggregate) -> list[tuple[Series, Series]]:
    """Depth series of one metric and group in both, in the order of the first."""
    one, two = _same_groups(a.sweep, b.sweep)
    others = {(s.metric, two[s.group]): s for s in b.series if s.group in two}
    pairs = [(s, others.get((s.metric, one[s.group]))) for s in a.series if s.group in one]
    return [(first, second) for first, second in pairs if second is not None]


def nothing_shared(a: Aggregate, b: Aggregate) -> str:
    """Why no result of one can be held against one of the other, in a sentence; empty where some can."""
    if shared_series(a, b):
        return ""
    one, two = _same_groups(a.sweep, b.sweep)
    if {*one.values()} & {*two.values()}:
        return "no metric has a depth series in both: one of them has too few finished trials, or another kind of task"
    has = [", ".join(g.label for g in list(groups)[:MOST_GROUPS]) or "none" for groups in (one, two)]
    return f"no group is in both: A has {has[0]}; B has {has[1]}"


Key = tuple[str, tuple[str, ...]]


def _same_groups(a: SweepSpec, b: SweepSpec) -> tuple[dict[Group, Key], dict[Group, Key]]:
    """The groups of both by what makes them: what is a factor in one of them is a fixed setting in the other."""
    names = sorted({*a.factor_names, *b.factor_names})
    keys = [
        {g: (g.architecture, tuple(str(cell.factor(name)) for name in names)) for g, cell in sweep.group_cells.items()}
        for sweep in (a, b)
    ]
    return keys[0], keys[1]


def widest(one: Series, two: Series) -> tuple[float, float, float, bool] | None:
    """Where two trends are farthest apart, by their bands: depth, means, and whether the bands part there. None where
    one has no curve, or they share no stretch of depth."""
    low, high = max(min(one.depth), min(two.depth)), min(max(one.depth), max(two.depth))
    depths = sorted({d for d in (*one.depth, *two.depth) if low <= d <= high})
    if not depths:
        return None
    try:
        bands = [np.stack(s.trend.simultaneous(depths)) for s in (one, two)]
    except ValueError:
        return None
    gap = np.maximum(bands[0][1] - bands[1][2], bands[1][1] - bands[0][2])
    gap = np.where(np.isfinite(gap), gap, -np.inf)
    if not np.isfinite(gap).any():
        return None
    place = int(np.argmax(gap))
    return float(depths[place]), float(bands[0][0, place]), float(bands[1][0, place]), bool(gap[place] > 0)


def limits(a: Aggregate, b: Aggregate) -> list[Difference]:
    """The headline's trainability limit of each group that both have."""
    keys, of_b = _same_groups(a.sweep, b.sweep)
    others: Mapping[Key, Limit] = {of_b[group]: limit for group, limit in b.limits if group in of_b}
    found = []
    for group, one in a.limits:
        two = others.get(keys[group]) if group in keys else None
        if two is not None:
            words = f"trainability limit of {group.label}"
            found.append(Difference("limit", words, _limit(one), _limit(two), apart(_ends(one), _ends(two))))
    return found


def _limit(limit: Limit) -> str:
    if limit.depth is None:
        sides = {"above": "beyond the deepest tried", "below": "before the shallowest tried"}
        return sides.get(limit.censored, "none to speak of")
    low, high = (f"{v:.0f}" if v is not None else "open" for v in (limit.low, limit.high))
    return f"{limit.depth:.0f} ({low} to {high})"


def _ends(limit: Limit) -> tuple[float, float]:
    low = limit.low if limit.low is not None else -np.inf
    return low, limit.high if limit.high is not None else np.inf


def apart(one: tuple[float, float], two: tuple[float, float]) -> bool:
    """Whether two intervals have nothing in common.

    >>> apart((1, 2), (3, 4)), apart((1, 3), (2, 4))
    (True, False)
    """
    return one[1] < two[0] or two[1] < one[0]


def verdicts(a: Aggregate, b: Aggregate) -> list[Difference]:
    """Claims that both judge: the verdicts, and whether the effects part."""
    others = {claim.id: claim for claim in b.claims}
    found = []
    for one in a.claims:
        two = others.get(one.id)
        if two is None or (one.verdict == two.verdict == "not tested"):
            continue
        ends = [(finite(c.low), finite(c.high)) for c in (one, two)]
        known = all(v is not None for pair in ends for v in pair)
        parted = known and apart(*((float(low or 0.0), float(high or 0.0)) for low, high in ends))
        note = "" if one.verdict == two.verdict else "other verdicts"
        found.append(Difference("verdict", one.id, one.verdict, two.verdict, parted, note))
    return found
