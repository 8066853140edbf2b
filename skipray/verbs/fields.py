"""The fields of a sweep file: what each means and takes."""

import json
from typing import Annotated

import typer

from skipray.errors import InputRefused
from skipray.terminal.streams import print_result
from skipray.verbs.shared.options import JsonOption
from skipray.verbs.shared.speaking import print_json

EXAMPLES = (
    "skipray fields",
    "skipray fields residual",
    "skipray fields --schema",
)


def fields(
    pattern: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="Only fields whose name or meaning holds this text.")
    ] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print a JSON Schema, for editors.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show every field of a sweep file: its type, default, allowed values and meaning."""
    from skipray.spec.reference import field_rows, json_schema

    if schema:
        print_result(json.dumps(json_schema()))
        return
    wanted = (pattern or "").lower()
    rows = [r for r in field_rows() if wanted in r.name.lower() or wanted in r.meaning.lower()]
    if not rows:
        raise InputRefused(f"found no field with {pattern!r} in its name or meaning; allowed: a text that one has")
    if as_json:
        print_json("fields", {"fields": [vars(row) for row in rows]})
        return
    from skipray.terminal.fields import show_fields

    show_fields(rows)
