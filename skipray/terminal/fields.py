"""The table of fields that `skipray fields` prints."""

from collections.abc import Sequence

from skipray.spec.reference import FieldRow
from skipray.terminal.display import console
from skipray.terminal.visible import escape


def show_fields(rows: Sequence[FieldRow]) -> None:
    """One paragraph per field: narrow terminals cut no name and no value."""
    out = console()
    for row in rows:
        default = "required" if row.required else f"default {_plain(row.default)}"
        out.print(f"[bold]{escape(row.name)}[/bold]  {escape(row.allowed)}  ({escape(default)})", highlight=False)
        if row.meaning:
            out.print(f"    {escape(' '.join(row.meaning.split()))}", highlight=False, soft_wrap=False)


def _plain(value: object) -> str:
    """A default as YAML has it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return "empty" if value in ({}, [], (), "") else str(value)
