"""What `skipray list` prints."""

from collections.abc import Mapping, Sequence

from skipray.terminal.display import console
from skipray.terminal.visible import escape


def show_sweeps(here: Mapping[str, str], packaged: Mapping[str, str], tracked: Sequence[str]) -> None:
    """Three short lists: files here, sweeps that come with skipray, sweeps that have runs in the store."""
    out = console()
    for title, lines in (
        ("in this folder", [f"{name}  {path}" for name, path in here.items()]),
        ("with skipray", [f"{name}  {question}" for name, question in packaged.items()]),
        ("in the tracking store", list(tracked)),
    ):
        out.print(f"[bold]{title}[/bold]" + ("" if lines else ": none"))
        for line in lines:
            out.print(f"  {escape(line)}")
