"""Hand a sweep over as one file."""

from pathlib import Path
from typing import Annotated

import typer

from skipray.outputs import check_output
from skipray.verbs.shared.loading import refuse_gone
from skipray.verbs.shared.options import JsonOption, UriOption, WriteOverOption
from skipray.verbs.shared.speaking import print_json
from skipray.wording import counted

EXAMPLES = (
    "skipray export quickstart",
    "skipray export quickstart kept.skipray.zip",
    "skipray export quickstart quickstart.csv",
)


def export(
    sweep: Annotated[str, typer.Argument(metavar="NAME", help="The sweep's name in the store.")],
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="The file to write, which ends in .zip; NAME.skipray.zip when left out. One that ends in .csv or "
            ".parquet gets a row for each finished trial, and nothing else.",
        ),
    ] = None,
    force: WriteOverOption = False,
    as_json: JsonOption = False,
    tracking_uri: UriOption = None,
) -> None:
    """Write a sweep with its runs, files and report, or a table of its trials, for `skipray import` at any other
    store."""
    from skipray.tracking.exchange.exported_table import FORMATS, export_table
    from skipray.tracking.exchange.exporting import ENDING, export_sweep

    path = file or Path(f"{sweep}.skipray.zip")
    check_output(path, (ENDING, *FORMATS), replace=force)
    refuse_gone(sweep, None, tracking_uri)
    if path.suffix.lower() in FORMATS:
        table = export_table(sweep, path, tracking_uri, force=force)
        if as_json:
            print_json("export", {"sweep": sweep, "file": str(table.path), "trials": table.trials})
        else:
            print(f"{table.path}: {counted(table.trials, 'trial')}, {counted(table.columns, 'column')}")
        return
    made = export_sweep(sweep, path, tracking_uri, force=force)
    if as_json:
        print_json("export", {"sweep": sweep, "file": str(made.path), "runs": made.runs, "files": made.files})
    else:
        print(f"{made.path}: {counted(made.runs, 'run')}, {counted(made.files, 'file')}")
