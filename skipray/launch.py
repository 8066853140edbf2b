"""The command line, and the only place that wires choices together.

`python -m skipray.launch SWEEP` is `skipray launch SWEEP`. Each verb imports what it needs when it runs, so that `plan`
starts in a moment and `aggregate` and `report` run where torch and ray are not installed.

Exit codes: 0 all done; 1 an internal error; 2 bad input; 3 some trials failed; 130 interrupted, resumable.
"""

import atexit
import gc
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skipray import __version__
from skipray.spec import SpecError, SweepSpec, load_sweep

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from skipray.analysis.aggregation import Aggregate
    from skipray.execution.launching import Ended
    from skipray.planning.budget import Budget, Fit
    from skipray.report import ReportFiles
    from skipray.tracking import Address

app = typer.Typer(
    name="skipray",
    help="How deep can an architecture go, and why does it break?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

SweepArgument = Annotated[str, typer.Argument(metavar="SWEEP", help="The sweep's YAML file, or its name.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a field, such as recipe.epochs=2. May be repeated."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on stdout.")]
UriOption = Annotated[
    str | None, typer.Option("--tracking-uri", metavar="URI", help="MLflow address instead of the sweep's.")
]


BudgetOption = Annotated[
    str | None,
    typer.Option("--budget", metavar="3h|100", help="At most this time, or so many trials: what tells least is lost."),
]
FolderOption = Annotated[
    Path | None, typer.Option("--folder", metavar="DIR", help="Where the report goes; reports/NAME when left out.")
]


AddressOption = Annotated[
    str | None, typer.Option("--address", metavar="HOST:PORT", help="A running Ray cluster, or auto; else RAY_ADDRESS.")
]
DataOption = Annotated[str | None, typer.Option("--data", metavar="DIR", help="Where data sets lie.")]


QUICK_TRIALS_SQL, QUICK_TRIALS_HTTP = 5000, 500
"""Trials that are read in a few seconds, from an SQL address and through a server."""
GO_ON = {
    "launch": "interrupted; launch the same file again to go on",
    "measure": "interrupted; measure again to go on: what was measured stays, and training is not touched",
}
"""Verb -> what an interrupted one says. The others have changed nothing."""
GARBAGE_THRESHOLD = 100_000
"""New containers before Python looks for garbage among them."""
TRAINING_PACKAGES = ("torch", "torchvision", "ray", "optuna", "safetensors", "sklearn")


class BadInput(Exception):
    """What the user can mend: printed as it is, exit code 2."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    # Imports make many objects and no garbage: to look for it among them is a tenth of a short command's time.
    gc.set_threshold(GARBAGE_THRESHOLD)
    atexit.register(_leave)
    here = str(Path.cwd())
    if not {"", here} & set(sys.path):
        sys.path.append(here)  # `skipray` finds the user's own `module:name` where `python -m` does
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does, at any moment
    try:
        code = app(arguments, standalone_mode=False)
    except typer.Exit as leaving:
        code = leaving.exit_code
    except (SpecError, BadInput) as error:
        _tell(str(error))
        code = 2
    except KeyboardInterrupt:
        code = 130
    except Exception as error:
        code = _usage_error(error) or _refusal(error)
        if code is None:
            traceback.print_exc()
            _tell(f"internal error: {type(error).__name__}: {error}")
            code = 1
    if code == 130:  # typer turns KeyboardInterrupt into this code
        verb = next((word for word in (sys.argv[1:] if arguments is None else arguments) if word[:1] != "-"), "")
        _tell(GO_ON.get(verb, "interrupted"))
    sys.stdout.flush()
    sys.exit(code if isinstance(code, int) else 0)


def _leave() -> None:
    """Spare the half second that taking all objects apart takes; torch's bindings would complain about what is left."""
    if "torch" not in sys.modules:
        gc.freeze()


def _usage_error(error: Exception) -> int | None:
    """2 for what click refuses (an unknown option, a missing argument), which shows itself; else None."""
    show = getattr(error, "show", None)
    if show is None or not hasattr(error, "exit_code"):
        return None
    show()
    return 2


def _refusal(error: Exception) -> int | None:
    """2 for what the surroundings refuse: a store that is away, a launch that is living already."""
    from skipray.storage import AlreadyRunning
    from skipray.tracking import BadAddress, TrackingAway, TrackingRefused

    if isinstance(error, ModuleNotFoundError) and error.name in TRAINING_PACKAGES:
        _tell(f"{error}; training needs what `pip install skipray[train]` installs")
        return 2
    if not isinstance(error, AlreadyRunning | BadAddress | TrackingAway | TrackingRefused):
        return None
    _tell(str(error))
    return 2


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _print_json(value: Any) -> None:
    print(json.dumps(value, default=str, allow_nan=False))


def _load(sweep: str, overrides: list[str] | None) -> SweepSpec:
    return load_sweep(_find_sweep(sweep), overrides or ())


def _find_sweep(sweep: str) -> Path:
    """A path as it is; a bare name is sweeps/NAME.yaml or NAME.yaml."""
    path = Path(sweep)
    if path.suffix in (".yaml", ".yml") or path.exists():
        return path
    for candidate in (Path("sweeps") / f"{sweep}.yaml", Path(f"{sweep}.yaml")):
        if candidate.exists():
            return candidate
    return Path("sweeps") / f"{sweep}.yaml"


def _verb(function: Callable[..., Any]) -> Callable[..., Any]:
    return app.command()(function)


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@_verb
def plan(
    sweep: SweepArgument,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    tracking_uri: UriOption = None,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the tracking store what is done.")] = False,
    brief: Annotated[bool, typer.Option("--brief", help="One line.")] = False,
    budget: BudgetOption = None,
) -> None:
    """Show what would run: trials, sizes, estimated time, what is done. Starts nothing."""
    from skipray.planning.plan import make_plan
    from skipray.terminal import display

    spec = _load(sweep, overrides)
    limit = _budget(budget)
    states: dict[str, Any] = {}
    trials = None
    if not offline:
        from skipray import tracking

        if tracking.exists(spec, tracking_uri):
            trials = tracking.known_trials(spec, tracking_uri).trials
            states = tracking.states(spec, tracking_uri, trials=trials)
    seconds = None
    if limit is not None and limit.seconds is not None:
        from skipray.scheduling.ray.timing import time_here

        seconds = time_here(spec, os.environ.get("SKIPRAY_DATA"))
    made = make_plan(spec, states, trials=trials, seconds=seconds, concurrency=_concurrency(spec))
    reached = None
    if limit is not None and spec.adaptive is None:
        from skipray.planning.budget import fit

        costs = {p.trial.trial_id: p.seconds for p in made.trials}
        missing = [p.trial for p in made.missing]
        reached = fit(spec, missing, seconds or (lambda t: costs.get(t.trial_id, 0.0)), limit, made.concurrency)
    if as_json:
        _print_json(display.plan_json(made) | ({} if reached is None else {"budget": display.fit_json(reached)}))
    elif brief:
        print(display.plan_line(made))
    else:
        display.show_plan(made)
        if reached is not None:
            display.show_fit(reached)


@_verb
def status(
    sweep: SweepArgument, overrides: SetOption = None, as_json: JsonOption = False, tracking_uri: UriOption = None
) -> None:
    """What is finished, running, failed (with the cause) and missing."""
    from skipray import tracking
    from skipray.terminal import display

    spec = _load(sweep, overrides)
    states, causes, trials, to_come = {}, {}, (() if spec.adaptive else spec.trials()), 0
    if tracking.exists(spec, tracking_uri):
        known = tracking.known_trials(spec, tracking_uri)
        trials, to_come = known.trials, known.to_come
        states = tracking.states(spec, tracking_uri, trials=trials)
        ledger = tracking.read_ledger(spec, tracking_uri, trials=trials)
    if as_json:
        _print_json(display.states_json(spec, states, trials, to_come))
        return
    if states:
        causes = {
            i: f"{row.failure_class or 'error'}: {row.failure_message or 'no message was recorded'}"
            for i, row in ledger.failed.items()
        }
    display.show_states(spec, states, causes, trials, to_come)


@_verb
def aggregate(
    sweep: SweepArgument, overrides: SetOption = None, as_json: JsonOption = False, tracking_uri: UriOption = None
) -> None:
    """Fit depth trends and judge the claims from what is tracked. Partial at any time."""
    from skipray.analysis.aggregation import aggregate as make
    from skipray.terminal import display

    spec = _load(sweep, overrides)
    result = make(spec, tracking_uri, say=_progress(spec, tracking_uri))
    if as_json:
        _print_json(display.aggregate_json(result))
    else:
        display.show_aggregate(result)


@_verb
def report(
    sweep: SweepArgument,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    tracking_uri: UriOption = None,
    folder: FolderOption = None,
    log: Annotated[bool, typer.Option("--log/--no-log", help="Also log it on the sweep's MLflow run.")] = False,
) -> None:
    """Write the report: one HTML file, its figures and the data behind them."""
    spec = _load(sweep, overrides)
    address = None
    if log:
        from skipray import tracking

        address = tracking.prepare(spec, tracking_uri)
    _, files = _report(spec, tracking_uri, folder, address)
    if as_json:
        _print_json({"sweep": spec.name, "report": str(files.html)})
    else:
        print(files.html)


@_verb
def launch(
    sweep: SweepArgument,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    tracking_uri: UriOption = None,
    address: AddressOption = None,
    data: DataOption = None,
    folder: FolderOption = None,
    budget: BudgetOption = None,
    with_report: Annotated[
        bool,
        typer.Option("--report/--no-report", help="Fit, judge and draw at the end; else `skipray report` may later."),
    ] = True,
) -> None:
    """Run what is missing of a sweep, then report. Launch again after any interruption: nothing is repeated."""
    from skipray import tracking
    from skipray.execution.launching import launch_sweep

    spec = _load(sweep, overrides)
    _use_data(data)
    drawing: Executor | None = None

    def meanwhile() -> None:
        nonlocal drawing
        drawing = _start_drawing()
        _import_report()

    ended = launch_sweep(
        spec,
        tracking_uri=tracking_uri,
        ray_address=address,
        budget=_budget(budget),
        on_fit=_say_fit,
        say=_tell,
        at_end=meanwhile if with_report else lambda: None,
    )
    if ended.estimate_error is not None:
        _tell(
            f"the trials were estimated at {ended.estimated_seconds:.1f} s and took {ended.measured_seconds:.1f} s "
            f"({ended.estimate_error:+.0%})"
        )
    if ended.interrupted:
        # No report: who presses Ctrl-C wants the prompt back. `skipray report` makes it from what there is.
        if ended.address:
            with suppress(tracking.TrackingAway):
                tracking.finish_sweep(ended.address, "KILLED")
        if as_json:
            _print_json({"sweep": spec.name} | ended.as_json())
        if ended.why:
            _tell(ended.why)
        raise KeyboardInterrupt
    try:
        if with_report:
            result, files = _report(spec, tracking_uri, folder, ended.address, _parent_status(ended), drawing)
        elif ended.address:
            tracking.finish_sweep(ended.address, _parent_status(ended))
    except tracking.TrackingAway as error:
        _tell(f"{error}; no report: launch again when the tracking store is back")
        if as_json:
            _print_json({"sweep": spec.name} | ended.as_json())
        _say_what_is_left(sweep, ended)
        raise typer.Exit(3) from None
    if as_json:
        from skipray.terminal import display

        drawn = {"report": str(files.html)} | display.aggregate_json(result) if with_report else {"sweep": spec.name}
        _print_json(ended.as_json() | drawn)
    elif with_report:
        from skipray.terminal import display

        display.show_aggregate(result)
        print(f"report: {files.html}")
    else:
        print(f"{ended.total} trials, {ended.ran} run now; no report was asked for: `skipray report {sweep}` makes it")
    _say_what_is_left(sweep, ended)
    if ended.undelivered or ended.failed:
        raise typer.Exit(3)


def _parent_status(ended: "Ended") -> str:
    """Of the sweep's run, in MLflow's words: KILLED while results wait, since the next launch goes on."""
    if ended.undelivered:
        return "KILLED"
    return "FAILED" if ended.failed else "FINISHED"


def _say_what_is_left(sweep: str, ended: "Ended") -> None:
    if ended.undelivered:
        _tell(f"{ended.undelivered} results wait for the tracking store; launch again to deliver them")
    if ended.failed:
        _tell(f"{ended.failed} trials failed: `skipray status {sweep}` says why")


@_verb
def measure(
    sweep: SweepArgument,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    tracking_uri: UriOption = None,
    preset: Annotated[str | None, typer.Option("--preset", help="default or full; the sweep's when left out.")] = None,
    hessian: Annotated[bool, typer.Option("--hessian", help="Also the Hessian's top eigenvalue and trace.")] = False,
    jacobian: Annotated[bool, typer.Option("--jacobian", help="Also the Jacobian's singular values.")] = False,
    address: AddressOption = None,
    data: DataOption = None,
) -> None:
    """Measure the saved final weights of finished runs anew, without training, and add what is found to the runs."""
    from skipray.execution.measuring import measure_sweep

    asked = [f"probe.preset={preset}"] if preset is not None else []
    asked += ["probe.hessian=true"] if hessian else []
    asked += ["probe.jacobian=true"] if jacobian else []
    spec = _load(sweep, [*(overrides or ()), *asked])
    _use_data(data)
    ended = measure_sweep(spec, tracking_uri=tracking_uri, ray_address=address)
    if as_json:
        _print_json({"sweep": spec.name} | ended.as_json())
    else:
        print(f"measurement {ended.measurement}: {ended.measured} runs measured, {ended.already} had it already")
    for label in ended.without_weights:
        _tell(f"{label}: its run has kept no weights; run it again with tracking.save_weights")
    for failure in ended.failed:
        _tell(failure)
    if ended.unfinished:
        _tell(f"{ended.unfinished} trials are not finished and were left out")
    if ended.interrupted:
        if ended.why:
            _tell(ended.why)
        raise KeyboardInterrupt
    if ended.failed or ended.without_weights:
        raise typer.Exit(3)


@_verb
def doctor(
    sweep: SweepArgument,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    tracking_uri: UriOption = None,
    repair: Annotated[bool, typer.Option("--repair", help="Put right what is found.")] = False,
) -> None:
    """List stale runs, duplicates, orphans, damaged files and undelivered results; with --repair, mend them."""
    from skipray import tracking

    spec = _load(sweep, overrides)
    findings = tracking.examine(spec, tracking_uri) if tracking.exists(spec, tracking_uri) else []
    mended = tracking.repair(spec, findings, tracking_uri) if repair else []
    if as_json:
        _print_json({"sweep": spec.name, "findings": [asdict(f) | {"repaired": f in mended} for f in findings]})
        return
    for finding in findings:
        remedy = "repaired" if finding in mended else finding.remedy or "left alone"
        print(f"{finding.kind}: {finding.what} (trial {finding.trial_id[:8]}, run {finding.run_id[:8]}): {remedy}")
    print(f"{len(findings)} findings, {len(mended)} repaired" if findings else "nothing is wrong")


@_verb
def theory(
    sweep: Annotated[str | None, typer.Argument(metavar="[SWEEP]", help="Its cells; else --depth and --width.")] = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    depth: Annotated[int | None, typer.Option("--depth", help="Weight layers.")] = None,
    width: Annotated[int | None, typer.Option("--width", help="Units of a layer.")] = None,
    samples: Annotated[int, typer.Option("--samples", help="Of the probe batch.")] = 256,
) -> None:
    """What closed forms predict at initialisation: for a sweep's cells, or for one depth and width."""
    from skipray.analysis import predictions
    from skipray.terminal import display

    if (sweep is None) == (depth is None or width is None):
        raise BadInput("found no sweep, or no --depth with --width; allowed: one of the two")
    if sweep is not None:
        spec = _load(sweep, overrides)
        name, rows = spec.name, predictions.of_sweep(spec)
    else:
        assert depth is not None
        assert width is not None
        try:
            name, rows = f"depth {depth}, width {width}", predictions.closed_forms(depth, width, samples)
        except ValueError as error:
            raise BadInput(str(error)) from None
    if as_json:
        _print_json({"sweep": name if sweep else None, "predictions": rows})
    else:
        display.show_predictions(name, rows)


@_verb
def ui(
    port: Annotated[int, typer.Option("--port", help="On this machine's loopback interface.")] = 5000,
    tracking_uri: UriOption = None,
) -> None:
    """Look at the runs in MLflow's own pages."""
    from skipray import tracking

    try:
        command = tracking.ui_command(tracking.resolve_uri(None, tracking_uri), port)
    except ValueError as error:
        raise BadInput(str(error)) from None
    print(f"MLflow's pages: http://127.0.0.1:{port}/#/experiments?workflowType=machine_learning (Ctrl-C ends them)")
    sys.stdout.flush()
    os.execvpe(command[0], command, tracking.ui_environment())  # a signal to this process reaches the server


def _use_data(folder: str | None) -> None:
    """Workers find it in their environment, as the launch's own."""
    if folder is not None:
        os.environ["SKIPRAY_DATA"] = str(Path(folder).expanduser().absolute())


def _budget(text: str | None) -> "Budget | None":
    from skipray.planning.budget import parse_budget

    try:
        return parse_budget(text) if text is not None else None
    except ValueError as error:
        raise BadInput(f"--budget: {error}") from None


def _say_fit(reached: "Fit") -> None:
    from skipray.terminal import display

    for line in display.fit_lines(reached):
        _tell(line)


def _start_drawing() -> "Executor | None":
    from skipray.report.second_process import second_process

    return second_process("skipray.report.paper")


def _import_report() -> None:
    """What a report needs, matplotlib included: a second."""


def _report(
    spec: SweepSpec,
    tracking_uri: str | None,
    folder: Path | None,
    log_on: "Address | None" = None,
    parent_status: str = "FINISHED",
    drawing: "Executor | None" = None,
) -> tuple["Aggregate", "ReportFiles"]:
    """Aggregate and write the report; log it on the sweep's run when that is given."""
    drawing = drawing or _start_drawing()
    from skipray import report as reporting
    from skipray import tracking
    from skipray.analysis.aggregation import aggregate as make

    result = make(spec, tracking_uri, say=_progress(spec, tracking_uri))
    files = reporting.write(result, folder or Path("reports") / spec.name, beside=drawing)
    if log_on is not None:
        root = files.html.parent
        contents = {str(f.relative_to(root)): f.read_bytes() for f in files.all()}
        tracking.log_files(log_on, contents, folder="report")
        tracking.finish_sweep(log_on, parent_status)
    return result, files


def _progress(spec: SweepSpec, tracking_uri: str | None) -> Callable[[str], None]:
    """Says on stderr how far reading is, where that takes more than a few seconds."""
    from skipray import tracking

    quick = QUICK_TRIALS_SQL if tracking.is_sql(tracking.resolve_uri(spec, tracking_uri)) else QUICK_TRIALS_HTTP
    return _tell if len(spec.trials()) > quick else lambda text: None


def _concurrency(spec: SweepSpec) -> int:
    """Trials at once on this machine, for an estimate; a cluster's own number is known when it is reached."""
    if spec.resources.max_concurrent:
        return spec.resources.max_concurrent
    if spec.resources.device == "cuda":
        return max(1, round(1 / (spec.resources.gpu_fraction or 1.0)))
    return max(1, (os.cpu_count() or 1) // spec.resources.threads)


if __name__ == "__main__":
    main(["launch", *sys.argv[1:]])
