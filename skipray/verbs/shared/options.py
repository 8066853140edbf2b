"""Arguments and options that several verbs take."""

from pathlib import Path
from typing import Annotated

import typer


def _sweeps(begun: str) -> list[str]:
    """For the shell: files and names of sweeps that begin so."""
    from skipray.spec import shipped

    here = shipped.sweeps_here()
    known = dict.fromkeys((*here.values(), *here, *shipped.sweeps_in_package()))
    return [word for word in known if word.startswith(begun)]


SweepArgument = Annotated[
    str, typer.Argument(metavar="SWEEP", help="The sweep's YAML file, or its name.", autocompletion=_sweeps)
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a field, such as recipe.epochs=2 (`skipray fields`). May be repeated.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on stdout.")]
UriOption = Annotated[
    str | None,
    typer.Option("--tracking-uri", metavar="URI", help="MLflow address; else MLFLOW_TRACKING_URI, else the sweep's."),
]
BudgetOption = Annotated[
    str | None,
    typer.Option(
        "--budget", metavar="3h|100", help="At most this much time, or this many trials; what tells least is left out."
    ),
]
FolderOption = Annotated[
    Path | None, typer.Option("--folder", metavar="DIR", help="Folder of the report; reports/NAME when left out.")
]
ForceOption = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Overwrite a report of more trials or of another sweep, or another page, which are kept otherwise.",
    ),
]
WriteOverOption = Annotated[bool, typer.Option("--force", help="Write over a file that is there.")]
AddressOption = Annotated[
    str | None,
    typer.Option("--address", metavar="HOST:PORT", help="Address of a running Ray cluster, or auto; else RAY_ADDRESS."),
]
DataOption = Annotated[
    str | None, typer.Option("--data", metavar="DIR", help="Folder of the data sets; else SKIPRAY_DATA, else ./data.")
]
