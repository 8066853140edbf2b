"""What is finished, running, failed and missing."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from skipray.spec import SweepSpec, TrialSpec
from skipray.verbs.shared.code import AcceptOption, check_code
from skipray.verbs.shared.loading import load_to_read
from skipray.verbs.shared.options import JsonOption, SetOption, SweepArgument, UriOption
from skipray.verbs.shared.reporting import progress
from skipray.verbs.shared.speaking import print_json, tell

if TYPE_CHECKING:
    from skipray.tracking import Ledger

EXAMPLES = ("skipray status quickstart",)


def status(
    sweep: SweepArgument,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    tracking_uri: UriOption = None,
    accept: AcceptOption = False,
) -> None:
    """What is finished, running, failed (with the cause) and missing."""
    from skipray import tracking
    from skipray.results.planned import status_result
    from skipray.results.scores import Scores, scores_by_now
    from skipray.terminal import display

    states, causes, to_come = {}, {}, 0
    said: list[str] = []
    scores = Scores("accuracy", ())
    with tracking.one_look(tell):
        spec = load_to_read(sweep, overrides, tracking_uri)
        trials = () if spec.adaptive else spec.trials()
        said = check_code(spec, tracking_uri, accept=accept)
        if tracking.exists(spec, tracking_uri):
            known = tracking.known_trials(spec, tracking_uri)
            trials, to_come = known.trials, known.to_come
            ledger = tracking.read_ledger(spec, tracking_uri, trials=trials)
            states = tracking.states(spec, tracking_uri, trials=trials, ledger=ledger)
            said += _damage(spec, tracking_uri, ledger, trials)
            read = tracking.read_trials(
                spec, tracking_uri, trials=trials, ledger=ledger, say=progress(spec, tracking_uri)
            )
            scores = scores_by_now(spec, trials, read)
            causes = {
                i: (row.failure_class or "error", row.failure_message or "no message was recorded")
                for i, row in ledger.failed.items()
            }
    if as_json:
        print_json("status", status_result(spec, trials, states, causes, to_come, scores) | {"said": said})
        return
    words = {trial_id: ": ".join(cause) for trial_id, cause in causes.items()}
    display.show_states(spec, states, words, trials, to_come, scores)


def _damage(spec: SweepSpec, tracking_uri: str | None, ledger: "Ledger", trials: Iterable[TrialSpec]) -> list[str]:
    """Damaged files of finished runs and of the sweep's own, in sentences, said on stderr."""
    from skipray import tracking

    uri = tracking.resolve_uri(spec, tracking_uri)
    labels = {t.trial_id: t.label for t in trials}
    said = tracking.store_damage(uri, spec.name, ledger.finished.values(), lambda i: labels.get(i, i))
    for sentence in said:
        tell(sentence)
    return said
