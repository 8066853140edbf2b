"""What a figure is, apart from how it is drawn: plain values, which `vega_lite` translates."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skipray.palette import Dash, Style
from skipray.report.axes import Axis

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Trace:
    """Points of one name; `x`, `y`, `low`, `high`, `censored` are (points,)."""

    name: str
    style: Style
    x: Array
    y: Array
    line: bool = True
    """Joined by a line."""
    marks: Literal["", "all", "few"] = ""
    """Which points are drawn with the style's marker; a few tell the lines of a panel apart."""
    faint: bool = False
    """In the background, such as single seeds behind their mean."""
    wide: bool = False
    """Drawn wider, since another line lies upon it."""
    look: Literal["full", "open", "ring"] = "full"
    """Of the marks: open ones are published values, rings go around what breaks the protocol."""
    low: Array | None = None
    high: Array | None = None
    """A band around the line."""
    censored: NDArray[np.int64] | None = None
    """-1 the truth is below the value, 1 above: drawn as a hollow arrowhead that points there."""
    hover: tuple[str, ...] | None = None
    """What a pointer reads at each point; None: nothing."""
    keys: tuple[str, ...] = ()
    """Texts of the legend's entries that show and hide it; empty: its name alone."""

    @property
    def hidden_by(self) -> tuple[str, ...]:
        return self.keys or (self.name,)


@dataclass(frozen=True)
class Level:
    """A horizontal reference line; its text is an entry of the legend."""

    y: float
    text: str


@dataclass(frozen=True)
class Drop:
    """An upright line at a depth, such as a family's trainability limit."""

    name: str
    style: Style
    x: float
    dash: Dash = "dashed"
    hover: str = ""
    """What a pointer reads at its upper end; empty: nothing."""
    keys: tuple[str, ...] = ()
    """As a trace's."""

    @property
    def hidden_by(self) -> tuple[str, ...]:
        return self.keys or (self.name,)


@dataclass(frozen=True)
class Tiles:
    """Rectangles that are filled the more strongly the higher their value, from 0 to 1; arrays are (tiles,)."""

    name: str
    style: Style
    left: Array
    right: Array
    low: Array
    high: Array
    value: Array
    x: Array
    y: Array
    """Where a pointer reads them."""
    hover: tuple[str, ...]


@dataclass(frozen=True)
class Panel:
    title: str
    x: Axis
    y: Axis
    traces: tuple[Trace, ...]
    levels: tuple[Level, ...] = ()
    drops: tuple[Drop, ...] = ()
    tiles: Tiles | None = None
    """Behind all else."""


@dataclass(frozen=True)
class Key:
    """An entry of a figure's legend."""

    text: str
    style: Style
    kind: Literal["line", "marks", "both", "open", "ring", "tile"]
    opacity: float = 1.0
    """Of a tile."""


LEVEL_STYLE = Style("muted", dash="dotted")


def level_keys(panels: "tuple[Panel, ...] | list[Panel]") -> tuple[Key, ...]:
    """The legend's entries of all reference lines."""
    return tuple(Key(text, LEVEL_STYLE, "line") for text in dict.fromkeys(v.text for p in panels for v in p.levels))


@dataclass(frozen=True)
class Table:
    """A table that belongs to a figure; every cell is text."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    """Columns of numbers, which are set flush right."""
    folded: str = ""
    """What opens it, where it is folded away on the screen."""


@dataclass(frozen=True)
class Chart:
    """A figure: small multiples under one title, with its legend and data."""

    name: str
    """File name without its ending."""
    title: str
    caption: str
    alt: str
    """What the figure shows, in words, for those who cannot see it."""
    panels: tuple[Panel, ...]
    legend: tuple[Key, ...]
    data: pd.DataFrame
    """The numbers behind the figure, one row per point."""
    summary: pd.DataFrame = field(default_factory=pd.DataFrame)
    """A small table of the same for the page; empty: none."""
    tables: tuple[Table, ...] = ()
    """What is to be read beside the figure."""
    left_out: str = ""
    """What did not fit in, in words."""
