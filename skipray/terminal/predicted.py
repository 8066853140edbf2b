"""Prints how deep theory says that the groups of a sweep train."""

from collections.abc import Mapping

from rich.padding import Padding
from rich.table import Table

from skipray.analysis.predicted_limit import PredictedLimit
from skipray.spec import Group
from skipray.terminal.display import console
from skipray.terminal.visible import escape

NAMED_GROUPS = 6
"""Groups without a prediction that are named; of more their number is said."""


def show_limits(found: Mapping[Group, PredictedLimit], depth: str, *, premises: bool = False) -> None:
    """A line per group that has a prediction, and one per reason why the others have none.

    Args:
        depth: with what it counts: `SweepSpec.depth_words`.
        premises: where each rule holds, below the table.
    """
    out = console()
    known = {group: limit for group, limit in found.items() if limit.depth is not None}
    if known:
        table = Table(box=None, pad_edge=False, header_style="bold")
        longest = max(len(word) for group in known for word in group.label.split())
        table.add_column("architecture", min_width=longest, overflow="fold")
        counted = escape(depth.removeprefix("depth").strip())
        table.add_column(f"predicted limit\n{counted}".strip(), justify="right", no_wrap=True)
        table.add_column("by", overflow="fold")
        for group, limit in known.items():
            table.add_row(escape(group.label), limit.words, escape(f"{limit.rule} ({limit.source})"))
        out.print(table)
    if premises:
        for premise in dict.fromkeys(f"{limit.source}: {limit.premise}." for limit in known.values()):
            out.print(Padding(escape(premise), (0, 0, 0, 2)), style="dim")
    reasons: dict[str, list[str]] = {}
    for group, limit in found.items():
        if limit.depth is None:
            reasons.setdefault(limit.premise, []).append(group.label)
    for why, labels in reasons.items():
        many = f"{len(labels)} groups" if len(labels) > NAMED_GROUPS else ", ".join(labels)
        out.print(escape(f"Nothing is predicted for {many}: {why}."), style="dim")
