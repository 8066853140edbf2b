"""Hand a sweep over as one file."""

from pathlib import Path
from typing import Annotated

import typer

from skipray.verbs.shared.options import JsonOption, UriOption
from skipray.verbs.shared.speaking import print_json

EXAMPLES = (
    "skipray export quickstart",
    "skipray export quickstart kept.skipray.zip",
)


def export(
    sweep: Annotated[str, typer.Argument(metavar="NAME", help="The sweep's name in the store.")],
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="The file to write; NAME.skipray.zip when left out.")
    ] = None,
    as_json: JsonOption = False,
    tracking_uri: UriOption = None,
) -> None:
    """Write a sweep with its runs, files and report into one file, for `skipray import` at any other store."""
    from skipray.tracking.exchange.exporting import export_sweep

    made = export_sweep(sweep, file or Path(f"{sweep}.skipray.zip"), tracking_uri)
    if as_json:
        print_json("export", {"sweep": sweep, "file": str(made.path), "runs": made.runs, "files": made.files})
    else:
        print(f"{made.path}: {made.runs} runs, {made.files} files")
