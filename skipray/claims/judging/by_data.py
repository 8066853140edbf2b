"""A sweep over several data sets is judged on each of them by itself: what holds on average may hold on none.

A claim's parts are then those of all data sets: it is supported where it holds on each, in part where on some. Of the
sweep's other factors all values are judged together, within twins; the claim's sentence says so.
"""

from collections.abc import Callable, Collection
from dataclasses import replace

from skipray.claims.judging.claim import Comparison, Finding
from skipray.claims.judging.data import SweepData
from skipray.spec.data_factors import DATASET
from skipray.trends.limit_words import listed


def on_each_data_set(judge: Callable[[SweepData], Finding], data: SweepData, apart: Collection[str] = ()) -> Finding:
    """What a claim finds; of one data set what `judge` says of it.

    Args:
        apart: factors whose values the claim itself tells apart.
    """

    def judged(these: SweepData) -> Finding:
        return _with_factors(judge(these), these, apart)

    names = data.data_sets
    if len(names) < 2:
        return judged(data)
    found = {name: judged(data.on(name)) for name in names}
    tested = {name: one for name, one in found.items() if one.parts}
    lacking = {name: one for name, one in found.items() if not one.parts}
    first = next(iter((tested or found).values()))
    if not tested:
        return replace(first, reason="; ".join(f"on {name}: {one.reason}" for name, one in lacking.items()))
    missing = "".join(f" It was not tested on {name}: {one.reason}." for name, one in lacking.items())
    return Finding(
        f"{first.statement}, on each data set",
        tuple(_part(part, name) for name, one in tested.items() for part in one.parts),
        tuple(sorted({seed for one in tested.values() for seed in one.seeds})),
        tuple(sorted({depth for one in tested.values() for depth in one.depths})),
        supported=_each(tested, lambda one: one.supported),
        refuted=_each(tested, lambda one: one.refuted),
        open=_each(tested, lambda one: one.open),
        facts="; ".join(f"on {name}: {one.facts}" for name, one in tested.items() if one.facts),
        remark=missing + "".join(f" On {name}:{one.remark}" for name, one in tested.items() if one.remark),
        reason=_each(tested, lambda one: one.reason),
        several=True,
    )


def _with_factors(found: Finding, data: SweepData, apart: Collection[str]) -> Finding:
    """What was found, and which factors it was found over."""
    names = [factor for factor in data.factors if factor not in {DATASET, *apart}]
    if not found.parts or not names:
        return found
    return replace(found, remark=f"{found.remark} All values of {listed(names)} are judged together.")


def _each(found: dict[str, Finding], words: Callable[[Finding], str]) -> str:
    """`On digits: ...; on gaussian: ....`, one sentence of those that say something."""
    said = "; ".join(f"on {name}: {words(one).rstrip('.')}" for name, one in found.items() if words(one))
    return f"{said[0].upper()}{said[1:]}." if said else ""


def _part(part: Comparison, name: str) -> Comparison:
    here = f" on {name}"
    short = f"{part.short}{here}" if part.short else ""
    return replace(
        part, label=f"{part.label}{here}", says=f"{part.says}{here}", denies=f"{part.denies}{here}", short=short
    )
