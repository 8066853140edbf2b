"""Colours and markers. A family has the same colour in every figure of every sweep; colour never carries meaning alone.

The families' hues are those of `skipray.colours`. The depth ramp goes through 200 degrees of hue in ten equal steps of
OKLCH (Ottosson 2020) while its lightness falls, so that neighbours differ in both.
"""

from dataclasses import dataclass
from typing import Literal

from skipray.colours import FAMILIES, OTHERS

Marker = Literal["circle", "square", "triangle", "diamond", "cross", "wedge", "right", "left"]
Dash = Literal["solid", "dashed", "dotted"]

MARKERS: tuple[Marker, ...] = ("circle", "square", "triangle", "diamond", "cross", "wedge")

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
    {f"family-{name}": pair for name, pair in FAMILIES.items()}
    | {f"other-{i}": pair for i, pair in enumerate(OTHERS)}
    | {f"depth-{i}": pair for i, pair in enumerate(zip(_DEPTH_LIGHT, _DEPTH_DARK, strict=True))}
    | {"ink": ("#33373d", "#d4d7dc"), "muted": ("#6a6f77", "#9aa0a9")}
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
    known = list(FAMILIES)
    styles = {}
    strangers = sorted(name for name, architecture in architectures.items() if architecture not in FAMILIES)
    for name, architecture in architectures.items():
        if architecture in FAMILIES:
            styles[name] = Style(f"family-{architecture}", MARKERS[known.index(architecture) % len(MARKERS)])
        else:
            place = strangers.index(name)
            marker = MARKERS[(place + 3) % len(MARKERS)]
            styles[name] = Style(f"other-{place % len(OTHERS)}", marker, "solid" if place < len(OTHERS) else "dashed")
    return styles


def depth_styles(depths: list[int]) -> dict[int, Style]:
    """A step of the ramp for each depth, shallow to deep, spread over the whole ramp."""
    rising = sorted(set(depths))
    last = max(len(rising) - 1, 1)
    return {
        depth: Style(f"depth-{round(place * (DEPTH_STEPS - 1) / last)}", MARKERS[place % len(MARKERS)])
        for place, depth in enumerate(rising)
    }


def css_variables(dark: bool) -> str:
    """`--family-resnet: #0b69a8; ...` for one scheme."""
    return " ".join(f"--{name}: {pair[dark]};" for name, pair in COLOURS.items())
