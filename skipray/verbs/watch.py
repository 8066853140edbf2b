"""The report of a sweep that runs, written again and again, in a page that reloads itself."""

import time
from typing import Annotated

import typer

from skipray.execution.limits import check_limits
from skipray.verbs.shared.loading import load_to_read, report_folder
from skipray.verbs.shared.options import FolderOption, ForceOption, SetOption, SweepArgument, UriOption
from skipray.verbs.shared.reporting import report_on
from skipray.verbs.shared.speaking import tell

LOOKS_SECONDS = 5.0
"""So often it is seen whether the launch has ended."""

EXAMPLES = (
    "skipray watch quickstart",
    "skipray watch quickstart --every 30",
)


def watch(
    sweep: SweepArgument,
    overrides: SetOption = None,
    tracking_uri: UriOption = None,
    folder: FolderOption = None,
    force: ForceOption = False,
    every: Annotated[
        int, typer.Option("--every", min=5, metavar="SECONDS", help="How often the report is written and loaded again.")
    ] = 60,
) -> None:
    """Keep the report of a running sweep up to date, in a page that reloads itself; ends with the launch."""
    from skipray import tracking

    spec = load_to_read(sweep, overrides, tracking_uri)
    check_limits(draws=True)
    where = report_folder(folder, spec, force=force)
    said = False
    while tracking.sweep_status(spec, tracking_uri) == "RUNNING":
        made = report_on(spec, tracking_uri, where, force=force, refresh_seconds=every)
        if not said:
            said = True
            tell(f"watching {spec.name}: {made.html.resolve().as_uri()} (Ctrl-C ends it)")
        end = time.monotonic() + every
        while time.monotonic() < end and tracking.sweep_status(spec, tracking_uri) == "RUNNING":
            time.sleep(LOOKS_SECONDS)
    if not said:
        tell(f"{spec.name} is not running; this is its report as it stands")
    made = report_on(spec, tracking_uri, where, force=force)
    print(made.html)
