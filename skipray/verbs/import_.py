"""Take a sweep over from a file."""

from pathlib import Path
from typing import Annotated

import typer

from skipray.errors import InputRefused
from skipray.verbs.shared.options import JsonOption, UriOption
from skipray.verbs.shared.speaking import print_json, tell
from skipray.wording import counted

INTERRUPTED = "interrupted; import the same file again to go on: what is there already stays as it is"
TABLES = (".csv", ".parquet")

EXAMPLES = (
    "skipray import quickstart.skipray.zip",
    "skipray import others.csv --name theirs --dataset cifar10 --chance 0.1",
)


def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A file of `skipray export`, or a CSV or Parquet table of results.")
    ],
    name: Annotated[
        str | None,
        typer.Option("--name", help="Name of the sweep that a table becomes; the file's name when left out."),
    ] = None,
    data: Annotated[
        str, typer.Option("--dataset", help="Data set on which a table's results were obtained.")
    ] = "unknown",
    chance: Annotated[
        float | None, typer.Option("--chance", help="Accuracy of guessing, for a table without outcomes.")
    ] = None,
    as_json: JsonOption = False,
    tracking_uri: UriOption = None,
) -> None:
    """Take over a sweep that `skipray export` wrote, or finished results from elsewhere (architecture, depth, seed,
    metrics), so that they are aggregated and compared like any others."""
    if not file.is_file():
        raise InputRefused(f"{file}: no such file; allowed: a file of `skipray export`, a CSV or a Parquet table")
    if file.suffix.lower() in TABLES:
        from skipray.tracking.exchange.prior import import_table

        made = import_table(file, name or file.stem, tracking_uri, dataset=data, chance=chance, say=tell)
    else:
        from skipray.tracking.exchange.importing import import_archive

        made = import_archive(file, tracking_uri)
    if as_json:
        print_json("import", {"sweep": made.name, "runs": made.runs, "known": made.known})
    else:
        known = counted(made.known, "was", "were")
        print(f"sweep {made.name}: {counted(made.runs, 'run')} added, {known} there already")
