"""Measure saved weights anew."""

from typing import Annotated

import typer

from skipray.verbs.shared.code import AcceptOption, check_code
from skipray.verbs.shared.loading import load_to_build, use_data
from skipray.verbs.shared.options import AddressOption, DataOption, JsonOption, SetOption, SweepArgument, UriOption
from skipray.verbs.shared.speaking import print_json, tell
from skipray.wording import counted

INTERRUPTED = "interrupted; measure again to go on: what was measured stays, and training is not touched"

EXAMPLES = (
    "skipray measure quickstart --preset full",
    "skipray measure quickstart --hessian",
)


def measure(
    sweep: SweepArgument,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    tracking_uri: UriOption = None,
    preset: Annotated[
        str | None, typer.Option("--preset", help="What to measure: default or full; the sweep's preset when left out.")
    ] = None,
    hessian: Annotated[
        bool, typer.Option("--hessian", help="Also measure the Hessian's top eigenvalue and trace.")
    ] = False,
    jacobian: Annotated[bool, typer.Option("--jacobian", help="Also measure the Jacobian's singular values.")] = False,
    address: AddressOption = None,
    accept: AcceptOption = False,
    data: DataOption = None,
) -> None:
    """Measure the saved final weights of finished runs anew, without training, and add what is found to the runs."""
    from skipray import tracking
    from skipray.execution.limits import check_working_directory
    from skipray.execution.measuring import measure_sweep

    asked = [f"probe.preset={preset}"] if preset is not None else []
    asked += ["probe.hessian=true"] if hessian else []
    asked += ["probe.jacobian=true"] if jacobian else []
    spec = load_to_build(sweep, [*(overrides or ()), *asked], tracking_uri)
    check_working_directory()
    use_data(data)
    with tracking.one_look(tell):
        check_code(spec, tracking_uri, accept=accept)
    ended = measure_sweep(spec, tracking_uri=tracking_uri, ray_address=address)
    if as_json:
        print_json("measure", {"sweep": spec.name} | ended.as_json())
    else:
        runs = counted(ended.measured, "run")
        print(f"measurement {ended.measurement}: {runs} measured, {ended.already} had it already")
    for label in ended.without_weights:
        tell(f"{label}: its run has no weights that can be read; run it again with tracking.save_weights")
    for failure in ended.failed:
        tell(failure)
    if ended.unfinished:
        trials = counted(ended.unfinished, "trial is not finished and was", "trials are not finished and were")
        tell(f"{trials} left out")
    if ended.interrupted:
        if ended.why:
            tell(ended.why)
        raise KeyboardInterrupt
    if ended.failed or ended.without_weights:
        raise typer.Exit(3)
