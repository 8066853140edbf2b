"""What is finished, running, failed and missing."""

from skipray.verbs._loading import load
from skipray.verbs._options import JsonOption, SetOption, SweepArgument, UriOption
from skipray.verbs._speaking import print_json


def status(
    sweep: SweepArgument, overrides: SetOption = None, as_json: JsonOption = False, tracking_uri: UriOption = None
) -> None:
    """What is finished, running, failed (with the cause) and missing."""
    from skipray import tracking
    from skipray.terminal import display

    spec = load(sweep, overrides)
    states, causes, trials, to_come = {}, {}, (() if spec.adaptive else spec.trials()), 0
    if tracking.exists(spec, tracking_uri):
        known = tracking.known_trials(spec, tracking_uri)
        trials, to_come = known.trials, known.to_come
        states = tracking.states(spec, tracking_uri, trials=trials)
        ledger = tracking.read_ledger(spec, tracking_uri, trials=trials)
    if as_json:
        print_json(display.states_json(spec, states, trials, to_come))
        return
    if states:
        causes = {
            i: f"{row.failure_class or 'error'}: {row.failure_message or 'no message was recorded'}"
            for i, row in ledger.failed.items()
        }
    display.show_states(spec, states, causes, trials, to_come)
