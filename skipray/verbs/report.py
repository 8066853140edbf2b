"""Write the report."""

from typing import Annotated

import typer

from skipray.execution.limits import check_limits
from skipray.verbs.shared.code import AcceptOption, check_code
from skipray.verbs.shared.loading import load_to_read, report_folder
from skipray.verbs.shared.options import FolderOption, ForceOption, JsonOption, SetOption, SweepArgument, UriOption
from skipray.verbs.shared.reporting import report_on
from skipray.verbs.shared.speaking import print_json, tell

EXAMPLES = (
    "skipray report quickstart",
    "skipray report quickstart --folder elsewhere --log",
)


def report(
    sweep: SweepArgument,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    tracking_uri: UriOption = None,
    folder: FolderOption = None,
    force: ForceOption = False,
    accept: AcceptOption = False,
    log: Annotated[bool, typer.Option("--log/--no-log", help="Also log it on the sweep's MLflow run.")] = False,
) -> None:
    """Write the report: one HTML file, its figures and the data behind them."""
    from skipray import tracking

    with tracking.one_look(tell):
        spec = load_to_read(sweep, overrides, tracking_uri)
        check_limits(draws=True)
        where = report_folder(folder, spec, force=force)
        check_code(spec, tracking_uri, accept=accept)
        address = None
        if log:
            address = tracking.prepare(spec, tracking_uri)
        made = report_on(spec, tracking_uri, where, address, force=force)
    if as_json:
        print_json("report", {"sweep": spec.name, "report": str(made.html)})
    else:
        print(made.html)
