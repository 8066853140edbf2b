"""Run what is missing of a sweep, then report."""

from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skipray.results.kept import FewerTrials
from skipray.verbs.shared.beginning import begin_first
from skipray.verbs.shared.code import AcceptOption, check_code
from skipray.verbs.shared.loading import budget_of, load, refuse_gone, report_folder, use_data
from skipray.verbs.shared.notifying import NotifyOption, check_notify, notifying
from skipray.verbs.shared.options import (
    AddressOption,
    BudgetOption,
    DataOption,
    FolderOption,
    ForceOption,
    JsonOption,
    SetOption,
    SweepArgument,
    UriOption,
)
from skipray.verbs.shared.reporting import import_report, report_on, standing_report
from skipray.verbs.shared.speaking import print_json, tell
from skipray.wording import counted

if TYPE_CHECKING:
    from skipray.execution.ended import LaunchEnd
    from skipray.planning.budget import BudgetFit
    from skipray.spec import SweepSpec
    from skipray.verbs.shared.reporting import Reported

INTERRUPTED = "interrupted; launch the same file again to go on"

EXAMPLES = (
    "skipray launch quickstart",
    "skipray launch quickstart --budget 10min --set seeds=[0,1]",
    "skipray launch fashion --data ~/data --address auto",
)


def launch(
    sweep: SweepArgument,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    tracking_uri: UriOption = None,
    address: AddressOption = None,
    data: DataOption = None,
    folder: FolderOption = None,
    force: ForceOption = False,
    accept: AcceptOption = False,
    budget: BudgetOption = None,
    with_report: Annotated[
        bool,
        typer.Option("--report/--no-report", help="Write the report at the end; `skipray report` can write it later."),
    ] = True,
    notify: NotifyOption = None,
    metrics: Annotated[
        Path | None,
        typer.Option(
            "--metrics",
            metavar="FILE.prom",
            help="Keep counts, time left and failed attempts in this file, for the textfile collector of Prometheus' "
            "node exporter.",
        ),
    ] = None,
) -> None:
    """Run what is missing of a sweep, then report. Launch again after any interruption: nothing is repeated."""
    from skipray.execution.limits import check_limits, check_working_directory
    from skipray.execution.metrics_file import MetricsFile, check_metrics

    check_working_directory()
    check_notify(notify)
    check_metrics(metrics)
    spec = load(sweep, overrides)
    use_data(data)
    check_limits(draws=with_report)
    where = report_folder(folder, spec, force=force or not with_report)
    with ExitStack() as stack:
        start = begin_first(spec, tracking_uri, address)
        if start is not None:
            stack.callback(start.end)

        from skipray import tracking
        from skipray.execution.launching import launch_sweep

        stack.enter_context(tracking.one_look(tell))
        refuse_gone(spec.name, spec, tracking_uri)
        check_code(spec, tracking_uri, accept=accept)
        watched = nullcontext() if metrics is None else MetricsFile(metrics, spec.name, tell)
        with notifying(notify, spec.name) as counts, watched as file:
            ended = launch_sweep(
                spec,
                tracking_uri=tracking_uri,
                ray_address=address,
                start=start,
                budget=budget_of(budget),
                on_fit=_say_fit,
                say=tell,
                at_end=import_report if with_report else lambda: None,
                on_standing=file.update if file is not None else lambda look: None,
            )
            counts.update(ended.as_json())
            _end(sweep, spec, ended, tracking_uri, where if with_report else None, as_json=as_json, force=force)


def _end(
    sweep: str,
    spec: "SweepSpec",
    ended: "LaunchEnd",
    tracking_uri: str | None,
    where: "Path | None",
    *,
    as_json: bool,
    force: bool,
) -> None:
    """The report, in the folder `where` if one is asked for, and what is said and returned."""
    from skipray import tracking
    from skipray.execution.patience import patiently

    _say_estimate(ended)
    if ended.interrupted:
        _say_interrupted(spec, ended, as_json=as_json)
        raise KeyboardInterrupt

    def conclude() -> "Reported | None":
        if where is not None:
            return standing_report(spec, tracking_uri, where, ended) or report_on(
                spec, tracking_uri, where, ended.address, ended.sweep_status, force=force
            )
        if ended.address:
            tracking.finish_sweep(ended.address, ended.sweep_status)
        return None

    try:
        # Where results wait, the store has been waited for already.
        made = conclude() if ended.undelivered else patiently(conclude, tell)
    except FewerTrials as error:
        tell(str(error))
        if ended.address:
            tracking.finish_sweep(ended.address, ended.sweep_status)
        made = None
    except tracking.TrackingAway as error:
        tell(f"{error}; no report: launch again when the tracking store is back")
        if as_json:
            print_json("launch", {"sweep": spec.name} | ended.as_json())
        _say_what_is_left(sweep, ended)
        raise typer.Exit(3) from None
    _say_what_is_left(sweep, ended)  # before the report, which is a launch's last line
    if as_json:
        drawn = {"report": str(made.html)} | made.result() if made else {"sweep": spec.name}
        print_json("launch", ended.as_json() | drawn)
    elif made:
        from skipray.terminal.blocks import show
        from skipray.terminal.display import console

        show(made.shown, console())
        print(f"report: {made.html}")
    else:
        trials = counted(ended.total, "trial")
        print(f"{trials}, {ended.ran} run now; no report was asked for: `skipray report {sweep}` makes it")
    if ended.undelivered or ended.failed:
        raise typer.Exit(3)


def _say_estimate(ended: "LaunchEnd") -> None:
    if ended.estimate_error is not None:
        tell(
            f"the trials were estimated at {ended.estimated_seconds:.1f} s and took {ended.measured_seconds:.1f} s "
            f"({ended.estimate_error:+.0%})"
        )


def _say_interrupted(spec: "SweepSpec", ended: "LaunchEnd", *, as_json: bool) -> None:
    """No report: who presses Ctrl-C wants the prompt back. `skipray report` makes it from what there is."""
    from skipray import tracking

    if ended.address:
        with suppress(tracking.TrackingAway):
            tracking.finish_sweep(ended.address, ended.sweep_status)
    if as_json:
        print_json("launch", {"sweep": spec.name} | ended.as_json())
    if ended.why:
        tell(ended.why)


def _say_what_is_left(sweep: str, ended: "LaunchEnd") -> None:
    if ended.undelivered:
        results = counted(ended.undelivered, "result waits", "results wait")
        tell(f"{results} for the tracking store; launch again to deliver {'it' if ended.undelivered == 1 else 'them'}")
    if ended.failed:
        tell(f"{counted(ended.failed, 'trial')} failed: `skipray status {sweep}` says why")


def _say_fit(reached: "BudgetFit") -> None:
    from skipray.terminal import display

    for line in display.fit_lines(reached):
        tell(line)
