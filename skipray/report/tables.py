"""The report's tables of failed trials, further limits, and searches for limits."""

from typing import TYPE_CHECKING

from skipray.report.chart import Table
from skipray.report.groups import Layout, plain
from skipray.report.preliminary import preliminary
from skipray.trends.limit_words import limit_words

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate


MAX_LIMITS = 60
"""Rows of a table of limits on the page; claims.json has all."""

MAX_FAILURES = 20
"""Failed trials that the page names; `skipray status` has all."""


def failure_table(aggregate: "Aggregate") -> Table | None:
    """Trials whose last attempt failed, with the cause."""
    failed = aggregate.failures
    if failed.empty:
        return None
    rows = tuple((plain(t), plain(c)[:400]) for t, c in failed[["trial", "cause"]].head(MAX_FAILURES).to_numpy())
    more = f"; {len(failed) - MAX_FAILURES} more in `skipray status`" if len(failed) > MAX_FAILURES else ""
    return Table(f"Trials that failed, and why{more}. The next launch tries them again.", ("Trial", "Cause"), rows)


def more_limits(aggregate: "Aggregate", layout: Layout) -> list[Table]:
    """The limits beside the headline's, each with its definition."""
    return [
        Table(
            f"{preliminary(aggregate)}{limits.definition.sentence}. The {layout.depth_words} at which half of the "
            "seeds no longer do so.",
            ("Cells", "Limit"),
            tuple((layout.name(g), limit_words(x, layout.at)) for g, x in limits.of_groups[:MAX_LIMITS]),
        )
        for limits in aggregate.limit_tables[1:]
        if limits.of_groups
    ]


def frontier_table(aggregate: "Aggregate", layout: Layout) -> Table | None:
    """Of an adaptive sweep: where the search for each group's limit stands."""
    if not aggregate.frontiers:
        return None
    words = {
        "found": "found: the interval is as narrow as was asked",
        "beyond": "beyond the deepest depth of the range",
        "below": "below the shallowest depth of the range",
        "open": "open: needs more trials",
    }
    rows = tuple(
        (layout.name(g), "–" if f.limit is None else f"{f.limit:.0f}",
         _ends_words(f.low, f.high), str(f.trials), words[f.verdict])
        for g, f in aggregate.frontiers
    )  # fmt: skip
    return Table(
        "The search for the limit: depths were chosen while the sweep ran, where a trial tells most. It ends when the "
        "limit's 95\u00a0% interval is as narrow as was asked.",
        ("Cells", "Limit", "95\u00a0% interval", "Trials", "State"),
        rows,
        frozenset({1, 2, 3}),
    )


def _ends_words(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return "–"
    if low is None or high is None:
        return f"below {high:.0f}" if low is None else f"above {low:.0f}"
    return f"{low:.0f} to {high:.0f}"
