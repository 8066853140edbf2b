"""Colours and markers. A family has the same colour in every figure of every sweep, and in MLflow's charts; colour
never carries meaning alone.

The hues are those of Okabe & Ito (2008, "Color Universal Design"), darkened or lightened until each has a contrast of
at least 3 : 1 with the page, light or dark. The depth ramp goes through 200 degrees of hue in ten equal steps of OKLCH
(Ottosson 2020) while its lightness falls, so that neighbours differ in both.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Marker = Literal["circle", "square", "triangle", "diamond", "cross", "wedge", "right", "left"]
Dash = Literal["solid", "dashed", "dotted"]

MARKERS: tuple[Marker, ...] = ("circle", "square", "triangle", "diamond", "cross", "wedge")

_FAMILIES = {
    "plainnet": ("#c8500a", "#f08a4b"),
    "resnet": ("#0b69a8", "#5cb3ec"),
    "resnext": ("#008561", "#35c79b"),
    "densenet": ("#a8457f", "#e08fc0"),
    "highway": ("#94680a", "#e3b23c"),
    "preresnet": ("#5d4fb3", "#a79bf0"),
}
_OTHERS = (
    ("#7d3c98", "#c490e4"),
    ("#3d6b1f", "#9ccf6f"),
    ("#8a1f2d", "#f2808e"),
    ("#1f6f78", "#67cdd8"),
    ("#5b4636", "#cdb49d"),
    ("#6b6f75", "#b5bac1"),
)
"""Of families that are not skipray's own; grey, which axes and notes have too, comes last."""
_DEPTH_LIGHT = (
    "#aa8f02",
    "#b67803",
    "#c25c02",
    "#cb332a",
    "#bc2159",
    "#a31d7b",
    "#852095",
    "#6124a5",
    "#352aa8",
    "#013c79",
)
_DEPTH_DARK = (
    "#f8ed60",
    "#ffd584",
    "#ffbf8b",
    "#ffa98e",
    "#fe9199",
    "#f57ab0",
    "#d574ca",
    "#af72da",
    "#8272e0",
    "#4b74d8",
)
DEPTH_STEPS = len(_DEPTH_LIGHT)

COLOURS: dict[str, tuple[str, str]] = (
    {f"family-{name}": pair for name, pair in _FAMILIES.items()}
    | {f"other-{i}": pair for i, pair in enumerate(_OTHERS)}
    | {f"depth-{i}": pair for i, pair in enumerate(zip(_DEPTH_LIGHT, _DEPTH_DARK, strict=True))}
    | {"map": ("#1f6f78", "#67cdd8"), "ink": ("#33373d", "#d4d7dc"), "muted": ("#6a6f77", "#9aa0a9")}
)
"""Name -> (on a light page, on a dark page). Figures for a paper use the first."""


@dataclass(frozen=True)
class Style:
    """How a trace is drawn."""

    colour: str
    """A key of COLOURS."""
    marker: Marker = "circle"
    dash: Dash = "solid"


def family_styles(architectures: dict[str, str]) -> dict[str, Style]:
    """A style for each family: its own where it has one, else the next of the others in alphabetical order.

    Args:
        architectures: what a family is called -> what it is: somebody's own `nets:resnet` is not the `resnet`.
    """
    known = list(_FAMILIES)
    styles = {}
    strangers = sorted(name for name, architecture in architectures.items() if architecture not in _FAMILIES)
    for name, architecture in architectures.items():
        if architecture in _FAMILIES:
            styles[name] = Style(f"family-{architecture}", MARKERS[known.index(architecture) % len(MARKERS)])
        else:
            place = strangers.index(name)
            marker = MARKERS[(place + 3) % len(MARKERS)]
            styles[name] = Style(f"other-{place % len(_OTHERS)}", marker, "solid" if place < len(_OTHERS) else "dashed")
    return styles


def family_colours(architectures: Iterable[str]) -> dict[str, str]:
    """Family -> its colour on a light page, among those of one sweep."""
    styles = family_styles({name: name for name in architectures})
    return {name: COLOURS[style.colour][0] for name, style in styles.items()}


def depth_styles(depths: list[int]) -> dict[int, Style]:
    """A step of the ramp for each depth, shallow to deep, spread over the whole ramp."""
    rising = sorted(set(depths))
    last = max(len(rising) - 1, 1)
    return {
        depth: Style(f"depth-{round(place * (DEPTH_STEPS - 1) / last)}", MARKERS[place % len(MARKERS)])
        for place, depth in enumerate(rising)
    }


def on_white(colour: str, opacity: float) -> str:
    """A colour as it looks through so much opacity on white paper.

    >>> on_white("#000000", 0.2)
    '#cccccc'
    """
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(255 - opacity * (255 - part)):02x}" for part in parts)


def css_variables(dark: bool) -> str:
    """`--family-resnet: #0b69a8; ...` for one scheme."""
    return " ".join(f"--{name}: {pair[dark]};" for name, pair in COLOURS.items())
