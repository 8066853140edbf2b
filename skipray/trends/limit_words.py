"""What is said of a trainability limit: always from the counts, so that no sentence contradicts a cell."""

import math
from collections.abc import Callable

from skipray.spec.depth_words import plain_depth
from skipray.trends.trainability import ALL_OF, DepthCount, Limit

DepthName = Callable[..., str]
"""Of a depth, or of two, what their families call them: `8 blocks`, `8 to 20 blocks`, else `depth 8`."""


def limit_words(limit: Limit, at: DepthName = plain_depth) -> str:
    """A limit in a table's cell, such as `depth 33 (95 % interval 20 to 48)`, with what is missing.

    Args:
        at: what a depth is called.
    """
    tried = [c for c in limit.counts if c.trials]
    if not limit.monotone:
        return f"none: no fewer seeds with depth ({listed([count_words(c) for c in tried])}){missing_words(limit)}"
    if limit.censored == "above":
        there = f" {tried[-1].depth}, the deepest {limit.tried} ({count_words(tried[-1], 'there')}" if tried else " ("
        return f"beyond{there}; {bound_words(limit)}){exception_words(limit)}{missing_words(limit)}"
    if limit.censored == "below":
        there = f" {tried[0].depth}, the shallowest {limit.tried} ({count_words(tried[0], 'there')}" if tried else " ("
        return f"below{there}; {bound_words(limit)}){exception_words(limit)}{missing_words(limit)}"
    if limit.depth is None:
        return f"unknown{missing_words(limit)}"
    return f"{at(limit.depth)} ({bound_words(limit)}){exception_words(limit)}{missing_words(limit)}"


def bound_words(limit: Limit) -> str:
    """The 95 % interval; where there is none, why."""
    if limit.low is not None and limit.high is not None:
        return f"95\u00a0% interval {limit.low:.0f} to {limit.high:.0f}"
    if limit.low is not None:
        return f"95\u00a0%: above {limit.low:.0f}"
    if limit.high is not None:
        return f"95\u00a0%: below {limit.high:.0f}"
    tried = [c for c in limit.counts if c.trials]
    if tried and limit.censored != "none":
        end = tried[-1] if limit.censored == "above" else tried[0]
        clear = end.trained in (0, end.trials)
        if clear and end.trials < ALL_OF:
            return f"no 95\u00a0% bound from {end.trials} {'seed' if end.trials == 1 else 'seeds'}: {ALL_OF} are needed"
    return "no 95\u00a0% bound from these trials"


def count_words(count: DepthCount, where: str = "") -> str:
    """`2 of 3 seeds at 74`"""
    seeds = "seed" if count.trials == 1 else "seeds"
    return f"{count.trained} of {count.trials} {seeds} {where or f'at {count.depth}'}"


def exception_words(limit: Limit) -> str:
    """Depths before the limit where most did not train, and beyond it where most did; empty where there are none."""
    at = {"above": math.inf, "below": 0.0}.get(limit.censored, limit.depth)
    if at is None:
        return ""
    apart = [c for c in limit.counts if c.trials and c.depth != at]
    odd = [c for c in apart if c.majority is not None and c.majority == (c.depth > at)]
    return f", though {listed([count_words(c) for c in odd])}" if odd else ""


def missing_words(limit: Limit) -> str:
    """`; missing: 2 of 3 seeds at 74`; empty where nothing is."""
    words = gap_words([(c.depth, c.missing, c.missing + c.trials) for c in limit.counts])
    return f"; missing: {words}" if words else ""


def gap_words(cells: list[tuple[int, int, int]]) -> str:
    """`1 of 4 seeds at 8 to 110 and 4 of 4 at 164`; empty where nothing is missing.

    Args:
        cells: depth, missing seeds and seeds asked for of each cell, by rising depth.
    """
    parts: list[tuple[int, int, list[int]]] = []
    for depth, missing, asked in cells:
        if parts and parts[-1][:2] == (missing, asked):
            parts[-1][2].append(depth)
        else:
            parts.append((missing, asked, [depth]))
    words: list[str] = []
    for missing, asked, depths in parts:
        if missing:
            where = f"{depths[0]} to {depths[-1]}" if len(depths) > 2 else " and ".join(map(str, depths))
            words.append(f"{missing} of {asked}{'' if words else ' seeds'} at {where}")
    return listed(words) if words else ""


def listed(items: list[str]) -> str:
    """`a, b and c`"""
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]
