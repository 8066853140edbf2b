"""What is finished, running and failed of the trials that a sweep has by now."""

from collections.abc import Sequence

from skipray.records import State
from skipray.spec import SweepSpec, TrialSpec
from skipray.tracking.read.known import known_trials
from skipray.tracking.read.launches import living_owner
from skipray.tracking.read.ledger import Ledger, read_ledger


def states(
    sweep: SweepSpec,
    tracking_uri: str | None = None,
    *,
    trials: Sequence[TrialSpec] | None = None,
    ledger: Ledger | None = None,
) -> dict[str, State]:
    """trial_id -> finished, running or failed; missing ones are left out.

    A RUNNING run is `running` only while a launch of the sweep is living; after a crash it is missing.

    Args:
        trials: those to look for; the sweep's own when left out.
        ledger: what was read of them already.
    """
    if trials is None and ledger is None:
        trials = known_trials(sweep, tracking_uri).trials
    ledger = ledger or read_ledger(sweep, tracking_uri, trials=trials)
    found: dict[str, State] = dict.fromkeys(ledger.finished, "finished")
    found |= dict.fromkeys(ledger.failed, "failed")
    active = [i for i, row in ledger.running.items() if row.status == "RUNNING"]
    if active and living_owner(sweep, tracking_uri) is not None:
        found |= dict.fromkeys(active, "running")
    return found
