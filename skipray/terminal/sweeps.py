"""What `skipray list` prints."""

from collections.abc import Mapping, Sequence

from skipray.terminal.display import console
from skipray.terminal.visible import escape


def show_sweeps(
    here: Mapping[str, str], packaged: Mapping[str, str], tracked: Sequence[str], renamed: Mapping[str, str]
) -> None:
    """Three short lists: files here, sweeps that come with skipray, sweeps that have runs in the store.

    Args:
        renamed: sweep -> today's name of its experiment, of those that no verb finds for it.
    """
    out = console()
    elsewhere = [f"{name}  (its experiment was renamed to {now!r} in MLflow)" for name, now in renamed.items()]
    for title, lines in (
        ("in this folder", [f"{name}  {path}" for name, path in here.items()]),
        ("with skipray", [f"{name}  {question}" for name, question in packaged.items()]),
        ("in the tracking store", [*tracked, *elsewhere]),
    ):
        out.print(f"[bold]{title}[/bold]" + ("" if lines else ": none"))
        for line in lines:
            out.print(f"  {escape(line)}")
