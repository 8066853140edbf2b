"""Hand a sweep over as one file."""

from pathlib import Path
from typing import Annotated

import typer

from skipray.outputs import check_output
from skipray.verbs.shared.loading import load_to_read, refuse_gone
from skipray.verbs.shared.options import JsonOption, UriOption, WriteOverOption
from skipray.verbs.shared.speaking import print_json, tell
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
            ".parquet gets a row for each finished trial and nothing else, as NAME.yaml is now, where it is here.",
        ),
    ] = None,
    force: WriteOverOption = False,
    as_json: JsonOption = False,
    tracking_uri: UriOption = None,
) -> None:
    """Write a sweep with its runs, files and report, or a table of its trials, for `skipray import` at any other
    store."""
    from skipray.tracking import one_look
    from skipray.tracking.exchange.exported_table import FORMATS, export_table
    from skipray.tracking.exchange.exporting import ENDING, export_sweep

    path = file or Path(f"{sweep}.skipray.zip")
    check_output(path, (ENDING, *FORMATS), replace=force)
    if path.suffix.lower() in FORMATS:
        with one_look(tell):
            spec = load_to_read(sweep, None, tracking_uri)
            table = export_table(spec, path, tracking_uri, force=force)
        if table.left:
            more, are = counted(table.left, "finished trial", "finished trials"), "is" if table.left == 1 else "are"
            tell(f"{spec.name}: {more} of the store {are} no part of the sweep as its file is now, and left out")
        if as_json:
            print_json("export", {"sweep": spec.name, "file": str(table.path), "trials": table.trials})
        else:
            print(f"{table.path}: {counted(table.trials, 'trial')}, {counted(table.columns, 'column')}")
        return
    refuse_gone(sweep, None, tracking_uri)
    made = export_sweep(sweep, path, tracking_uri, force=force)
    if as_json:
        print_json("export", {"sweep": sweep, "file": str(made.path), "runs": made.runs, "files": made.files})
    else:
        print(f"{made.path}: {counted(made.runs, 'run')}, {counted(made.files, 'file')}")
