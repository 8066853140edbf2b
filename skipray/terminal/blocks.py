"""What a verb shows, as plain values: lines and tables that can be kept as JSON and shown again on another terminal."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

GAP = 2
"""Between columns."""
NAMES_SHARE = 40
"""Per cent of the width that the names of a table's rows may take before they go on in a line below."""


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
    across: bool = False
    """Its first column names the rows. Where the others do not fit beside it they go on in a table below."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        parts = self._parts(options.max_width) if self.across else [range(len(self.columns))]
        for part in parts:
            yield self._table(part, self.caption if part is parts[-1] else "")

    def _table(self, part: Sequence[int], caption: str) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, GAP, 0, 0))
        for column in (self.columns[i] for i in part):
            justify: Literal["left", "right"] = "right" if column.right else "left"
            overflow: Literal["ellipsis", "fold"] = "ellipsis" if column.whole else "fold"
            table.add_column(column.title, justify=justify, no_wrap=column.whole, overflow=overflow)
        for row in self.rows:
            table.add_row(*(row[i] for i in part))
        table.caption = caption or None
        return table

    def _parts(self, width: int) -> list[list[int]]:
        """The columns of each table, the first one in all of them."""
        of_column = [
            max(
                cell_len(line)
                for text in (column.title, *(row[i] for row in self.rows))
                for line in Text.from_markup(text).plain.split("\n")
            )
            for i, column in enumerate(self.columns)
        ]
        words = [word for row in self.rows for word in Text.from_markup(row[0]).plain.split()]
        first = min(of_column[0], max([width * NAMES_SHARE // 100, *map(cell_len, words)]))
        parts: list[list[int]] = [[0]]
        used = first + GAP
        for i, wide in enumerate(of_column[1:], 1):
            if used + wide > width and len(parts[-1]) > 1:
                parts.append([0])
                used = first + GAP
            parts[-1].append(i)
            used += wide + GAP
        return parts


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
        tuple(Column(**column) for column in told["columns"]),
        tuple(map(tuple, told["rows"])),
        str(told["caption"]),
        bool(told.get("across", False)),
    )
