"""Two sweeps side by side, on the terminal."""

from collections.abc import Iterable

from rich.table import Table

from skipray.analysis.comparison import Difference
from skipray.terminal.display import console
from skipray.terminal.visible import escape
from skipray.wording import counted


def show_comparison(found: Iterable[Difference], a: str, b: str, *, every: bool) -> None:
    """Print a table of what differs.

    Args:
        every: also what does not differ.
    """
    found = list(found)
    out = console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "what", f"A: {a}", f"B: {b}", "beyond intervals"):
        table.add_column(escape(name), overflow="fold")
    for one in found:
        if every or one.differs or one.a != one.b:
            beyond = "" if one.kind == "setting" else "yes" if one.differs else "no"
            told = [one.kind, one.what, one.a, one.b, f"{beyond}{', ' * bool(beyond and one.note)}{one.note}"]
            table.add_row(*map(escape, told))
    if table.row_count:
        out.print(table)
    results = [one for one in found if one.kind != "setting"]
    beyond = counted(sum(one.differs for one in results), "differs", "differ")
    out.print(f"{counted(len(results), 'result')} compared, {beyond} beyond their intervals")
