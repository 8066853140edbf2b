"""What a figure is, apart from how it is drawn: plain values that `svg` draws on the page and `paper` on paper."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skipray.report.palette import Style
from skipray.report.ticks import Axis

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
    marks: bool = False
    """Each point drawn with the style's marker."""
    faint: bool = False
    """In the background, such as single seeds behind their mean."""
    look: Literal["full", "open", "ring"] = "full"
    """Of the marks: open ones are published values, rings go around what breaks the protocol."""
    low: Array | None = None
    high: Array | None = None
    """A band around the line."""
    censored: NDArray[np.int64] | None = None
    """-1 the truth is below the value, 1 above: drawn as a hollow arrowhead that points there."""
    hover: tuple[str, ...] | None = None
    """What a pointer reads at each point; None: nothing."""


@dataclass(frozen=True)
class Level:
    """A horizontal reference line."""

    y: float
    text: str


@dataclass(frozen=True)
class Limit:
    """A trainability limit: an interval on the depth axis."""

    name: str
    style: Style
    depth: float | None
    low: float | None
    high: float | None
    beyond: Literal["none", "below", "above"]
    text: str


@dataclass(frozen=True)
class Panel:
    title: str
    x: Axis
    y: Axis
    traces: tuple[Trace, ...]
    levels: tuple[Level, ...] = ()
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True)
class Key:
    """An entry of a figure's legend."""

    text: str
    style: Style
    kind: Literal["line", "marks", "both", "open", "ring"]


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
    """The numbers behind the figure, one row a point."""
    summary: pd.DataFrame = field(default_factory=pd.DataFrame)
    """A small table of the same for the page; empty: none."""
    tables: tuple[Table, ...] = ()
    """What is to be read beside the figure."""
    left_out: str = ""
    """What did not fit in, in words."""
