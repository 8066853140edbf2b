"""What a verb shows, as plain values: lines and tables that can be kept as JSON and shown again on another terminal."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Line:
    """A line of rich's markup."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Column:
    """The head of a column."""

    title: str
    right: bool = False
    """Set to the right, as numbers are."""
    whole: bool = False
    """Its cells stay on one line each."""


@dataclass(frozen=True)
class Grid:
    """A table whose cells are rich's markup."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""

    def __rich__(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for column in self.columns:
            justify: Literal["left", "right"] = "right" if column.right else "left"
            overflow: Literal["ellipsis", "fold"] = "ellipsis" if column.whole else "fold"
            table.add_column(column.title, justify=justify, no_wrap=column.whole, overflow=overflow)
        for row in self.rows:
            table.add_row(*row)
        table.caption = self.caption or None
        return table


Block = Line | Grid


def show(blocks: Iterable[Block], out: Console) -> None:
    """Print blocks one below the other."""
    for block in blocks:
        if isinstance(block, Line):
            out.print(block.text, style=block.style or None)
        else:
            out.print(block)


def as_json(blocks: Iterable[Block]) -> list[dict[str, Any]]:
    """Blocks as values of JSON."""
    return [asdict(block) for block in blocks]


def from_json(told: Iterable[Mapping[str, Any]]) -> list[Block]:
    """The blocks that `as_json` was given."""
    return [Line(**one) if "text" in one else _grid(one) for one in told]


def _grid(told: Mapping[str, Any]) -> Grid:
    return Grid(
        tuple(Column(**column) for column in told["columns"]), tuple(map(tuple, told["rows"])), str(told["caption"])
    )
