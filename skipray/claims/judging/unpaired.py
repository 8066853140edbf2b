"""Why two families have no pairs of twins: a claim that was not tested says it."""

from collections.abc import Sequence

from skipray.claims.judging.data import SweepData, combinations, scalar
from skipray.spec.cell import value_text
from skipray.trends.limit_words import listed

_MOST_VALUES = 4
"""Values of a factor that a sentence names."""


def unpaired(data: SweepData, first: str, second: str, shared: Sequence[str] = ("depth", "seed")) -> str:
    """`: twins share their width, and ...`, the first thing that finished trials of two roles or families do not have
    in common; empty where some are twins, which lack the metric then.

    Args:
        shared: what they have to share besides the factors that both have.
    """
    one, other = data.of(first), data.of(second)
    for family, rows in ((first, one), (second, other)):
        if rows.empty:
            return f": no trial of {data.name(family)} has finished"
    keys = [*shared, *data.shared_factors(first, second)]
    for key in keys:
        ours, theirs = ({value_text(scalar(v)) for v in rows[key]} for rows in (one, other))
        if ours.isdisjoint(theirs):
            has = f"{data.name(first)} has {_few(ours)} and {data.name(second)} {_few(theirs)}"
            told = "" if key in shared else f"; `{data.family(first)} {key}=...` in a claim compares across it"
            return f": twins share their {key}, and {has}{told}"
    if not keys:
        return ""
    together = set(combinations(one, keys)) & set(combinations(other, keys))
    return "" if together else f": no two finished trials share {listed(keys)}"


def _few(values: set[str]) -> str:
    shown, more = sorted(values)[:_MOST_VALUES], len(values) - _MOST_VALUES
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
