"""The colour of a family, wherever its runs are drawn: in the report's figures and in MLflow's charts.

The hues are those of Okabe & Ito (2008, "Color Universal Design"), darkened or lightened until each has a contrast of
at least 3 : 1 with the page, light or dark.
"""

from collections.abc import Iterable

FAMILIES = {
    "plainnet": ("#c8500a", "#f08a4b"),
    "resnet": ("#0b69a8", "#5cb3ec"),
    "resnext": ("#008561", "#35c79b"),
    "densenet": ("#a8457f", "#e08fc0"),
    "highway": ("#94680a", "#e3b23c"),
    "preresnet": ("#5d4fb3", "#a79bf0"),
}
"""Family -> (on a light page, on a dark page)."""
OTHERS = (
    ("#6b6f75", "#b5bac1"),
    ("#7d3c98", "#c490e4"),
    ("#8a1f2d", "#f2808e"),
    ("#3d6b1f", "#9ccf6f"),
    ("#1f6f78", "#67cdd8"),
    ("#5b4636", "#cdb49d"),
)
"""For families without a colour of their own, in alphabetical order of their names."""


def family_colours(architectures: Iterable[str]) -> dict[str, str]:
    """Family -> its colour on a light page, among those of one sweep."""
    named = set(architectures)
    others = sorted(named - set(FAMILIES))
    return {name: FAMILIES[name][0] for name in named & set(FAMILIES)} | {
        name: OTHERS[place % len(OTHERS)][0] for place, name in enumerate(others)
    }
