"""Groups of cells: their names, their rows, and the small multiples that they are spread over."""

import re
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from skipray.palette import Style, family_styles
from skipray.spec import Group, SweepSpec, TrialSpec
from skipray.spec.cell import value_text
from skipray.spec.depth_words import plain_depth
from skipray.spec.display_names import display_name, family_title
from skipray.trends.limit_words import DepthName

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate

TITLE_LETTERS = 48
"""How many letters a panel's width has room for."""
MAX_FACETS = 9
"""Nobody reads more small multiples than these; the CSV file holds all."""


def plain(value: object) -> str:
    """A value as text that HTML and XML can hold: no control characters, no lone surrogates."""
    text = "none" if _absent(value) else f"{value:g}" if isinstance(value, float) else str(value)
    text = re.sub(r"[\t\r\n]", " ", text)
    return "".join("\ufffd" if c in _TURNING or unicodedata.category(c) in _UNSHOWN else c for c in text)


_UNSHOWN = ("Cc", "Cs", "Co", "Cn")
_TURNING = frozenset("\u202a\u202b\u202d\u202e\u2066\u2067\u2068")
"""Letters that turn the direction of what follows them, on the rest of the line."""


def title_lines(title: str) -> list[str]:
    """A panel's title on at most two lines, cut where it would leave the panel."""
    lines = textwrap.wrap(plain(title), TITLE_LETTERS, break_long_words=True)
    if len(lines) > 2:
        lines = [lines[0], lines[1][: TITLE_LETTERS - 1] + "…"]
    return lines


def whole(words: str) -> str:
    """Words that no line breaks apart."""
    return words.replace(" ", "\u00a0")


def _absent(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)


def family(group: Group) -> str:
    """What the group's family is called in figures and sentences of its sweep."""
    return plain(family_title(group))


def _others(group: Group) -> dict[str, str]:
    """The further factors."""
    return {plain(k): plain(value_text(v)) for k, v in group.factors}


def factor_columns(group: Group) -> dict[str, str]:
    """A group's factors as columns of a data file."""
    return {"architecture": plain(group.architecture)} | _others(group)


@dataclass(frozen=True)
class Facet:
    """Groups that share a panel: one per family."""

    title: str
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Layout:
    """Which groups there are and how figures spread them."""

    groups: tuple[Group, ...]
    styles: dict[str, Style]
    """By family."""
    depths: tuple[int, ...]
    varying: frozenset[str]
    """The further factors that have more than one value here; naming the others would only be noise."""
    _facets: tuple[Facet, ...]
    marked: frozenset[tuple[Group, int]] = frozenset()
    """Groups and depths that break the tuning's protocol: every figure shows which these are."""
    at: DepthName = plain_depth
    """A depth as its families call it: `8 blocks`, else `depth 8`."""
    depth_words: str = "depth"
    """Depth with what its families count: `depth (blocks)`."""
    depth_sentence: str = ""
    """Likewise, as a sentence: `Depth counts blocks.`"""

    def name(self, group: Group) -> str:
        """`ResNet, normalization batch`"""
        rest = (f"{k} {v}" for k, v in _others(group).items() if k in self.varying)
        return ", ".join([family(group), *rest])

    def facets(self, most: int = MAX_FACETS) -> tuple[Facet, ...]:
        """At most so many panels of groups that differ in their family only."""
        return self._facets[:most]

    def left_out(self, shown: int, total: int) -> str:
        return f"{shown} of {total} combinations of factors are drawn; the data file has all." if shown < total else ""

    def of_paper(self, figures: str) -> str:
        """` (the paper's Figs. 3 and 4)`, where the sweep has the paper's comparison: a plain network beside a twin."""
        plainnet, *twins = map(display_name, ("plainnet", "resnet", "resnext"))
        compares = plainnet in self.styles and any(twin in self.styles for twin in twins)
        return f" (the paper's {figures})" if compares else ""

    @property
    def facet_count(self) -> int:
        return len(self._facets)

    @property
    def families(self) -> list[str]:
        return list(self.styles)

    def style(self, group: Group) -> Style:
        return self.styles[family(group)]


def lay_out(aggregate: "Aggregate") -> Layout:
    """Groups in the sweep's order; those only planned count too, so that a colour does not change as trials finish."""
    planned = list(dict.fromkeys(aggregate.coverage["group"]))
    measured = list(dict.fromkeys([s.group for s in aggregate.series] + [g for g, _ in aggregate.limits]))
    order = {group: place for place, group in enumerate(planned)}
    groups = tuple(sorted(measured or planned, key=lambda g: order.get(g, len(order))))
    architectures = {family(g): g.architecture for g in [*planned, *groups]}
    depths = tuple(sorted({int(d) for d in aggregate.coverage["depth"]}))
    seen: dict[str, set[str]] = {}
    for group in [*groups, *planned]:
        for key, value in _others(group).items():
            seen.setdefault(key, set()).add(value)
    varying = frozenset(key for key, found_values in seen.items() if len(found_values) > 1)
    marked = frozenset(_marked(aggregate.tuning.fairness))
    words = (aggregate.sweep.depth_at, aggregate.sweep.depth_words, aggregate.sweep.depth_sentence)
    return Layout(groups, family_styles(architectures), depths, varying, _facets(groups, varying), marked, *words)


def _marked(fairness: pd.DataFrame) -> Iterator[tuple[Group, int]]:
    for row in fairness.to_dict("records"):
        if row["breach"]:
            yield row["cell"].group, row["cell"].depth


def _facets(groups: Iterable[Group], varying: frozenset[str]) -> tuple[Facet, ...]:
    """One facet for each combination of the further factors.

    A group whose family lacks a factor (a plain network has no residual scale) is drawn in every facet that agrees with
    it in the factors that it has, so that there is something to compare with.
    """
    groups = tuple(groups)
    combinations = list(dict.fromkeys(tuple(_others(g).items()) for g in groups))
    complete = [c for c in combinations if not any(set(c) < set(other) for other in combinations)]
    facets = []
    for combination in complete:
        members: dict[str, Group] = {}
        for group in sorted(groups, key=lambda g: -len(_others(g))):
            if set(_others(group).items()) <= set(combination):
                members.setdefault(family(group), group)
        ordered = tuple(g for g in groups if g in members.values())
        facets.append(Facet(", ".join(f"{k} {v}" for k, v in combination if k in varying), ordered))
    return tuple(facets)


def cells_of(sweep: SweepSpec, layout: Layout) -> dict[tuple[Group, int], TrialSpec]:
    """The cell of each group and depth, for what follows from the spec alone."""
    return {(c.cell.group, c.cell.depth): c for c in sweep.cells if c.cell.group in set(layout.groups)}


def positions(aggregate: "Aggregate", layout: Layout) -> dict[str, int]:
    """trial_id -> position of its group in layout.groups; trials of no group are left out."""
    order = {group: place for place, group in enumerate(layout.groups)}
    return {trial_id: order[group] for trial_id, group in aggregate.groups.items() if group in order}
