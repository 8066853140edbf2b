"""Fit depth trends and judge the claims."""

from skipray.verbs.shared.loading import load_to_read
from skipray.verbs.shared.options import JsonOption, SetOption, SweepArgument, UriOption
from skipray.verbs.shared.reporting import progress
from skipray.verbs.shared.speaking import print_json, tell

EXAMPLES = (
    "skipray aggregate quickstart",
    "skipray aggregate quickstart --json",
)


def aggregate(
    sweep: SweepArgument, overrides: SetOption = None, as_json: JsonOption = False, tracking_uri: UriOption = None
) -> None:
    """Fit depth trends and judge the claims from the trials that have finished so far."""
    from skipray import tracking
    from skipray.analysis.aggregation import aggregate as make
    from skipray.results.judged import aggregate_result
    from skipray.terminal import display

    with tracking.one_look(tell):
        spec = load_to_read(sweep, overrides, tracking_uri)
        result = make(spec, tracking_uri, say=progress(spec, tracking_uri))
    if as_json:
        print_json("aggregate", aggregate_result(result))
    else:
        display.show_aggregate(result)
