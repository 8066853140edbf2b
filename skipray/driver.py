"""One launch from start to end: lease, ledger, cluster, trials, delivery."""

import os
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from skipray import datasets, storage, tracking
from skipray.plan import make_plan
from skipray.progress import Progress
from skipray.spec import SweepSpec

if TYPE_CHECKING:
    from skipray.scheduling.events import Event
    from skipray.tracking import Address


class CannotStart(RuntimeError):
    """Something that the user can mend stands in the way of every trial. Nothing was started."""


@dataclass(frozen=True)
class Ended:
    """How a launch ended."""

    total: int
    ran: int
    """Trials that this launch finished."""
    failed: int
    interrupted: bool
    seconds: float
    outcomes: Counter[str]
    address: "Address | None"
    """Of the sweep's run; None when nothing was missing."""

    def as_json(self) -> dict[str, Any]:
        return {
            "total": self.total,
            "ran": self.ran,
            "failed": self.failed,
            "interrupted": self.interrupted,
            "seconds": round(self.seconds, 3),
        }


def launch_sweep(sweep: SweepSpec, *, tracking_uri: str | None = None, ray_address: str | None = None) -> Ended:
    """Run the missing trials of a sweep.

    Raises:
        CannotStart: data, store or cluster are not as they must be; the message names the remedy.
        skipray.storage.AlreadyRunning: another launch of this sweep is living.
    """
    place = tracking.storage_url(sweep, tracking_uri)
    ledger = tracking.read_ledger(sweep, tracking_uri) if tracking.exists(sweep, tracking_uri) else None
    finished = set(ledger.finished) if ledger else set()
    trials = sweep.trials()
    if all(t.trial_id in finished for t in trials):
        return Ended(len(trials), 0, 0, False, 0.0, Counter(), None)
    _check_data(sweep)
    with ExitStack() as stack:
        stack.enter_context(storage.SweepLease(place, sweep.name))
        return _run(sweep, place, tracking_uri, ray_address, stack)


def _check_data(sweep: SweepSpec) -> None:
    """Data that are missing here are probably missing everywhere; workers on other nodes are asked by the preflight."""
    said = datasets.missing(sweep.dataset)
    if said:
        raise CannotStart(f"{sweep.path}: dataset.name: {said}")


def _run(sweep: SweepSpec, place: str, tracking_uri: str | None, ray_address: str | None, stack: ExitStack) -> Ended:
    from skipray.scheduling import cluster as clusters
    from skipray.scheduling.run import run
    from skipray.scheduling.ticket import Place
    from skipray.scheduling.work import FixedWork

    # Ray starts while the tracking store is made ready: together they are most of the time before the first trial.
    connecting = clusters.Connecting(sweep, address=ray_address)
    try:
        address = tracking.prepare(sweep, tracking_uri)
        tracking.deliver_pending(address, sweep.trials(), place)
        ledger = tracking.read_ledger(sweep, tracking_uri)
    finally:
        cluster = connecting.result()
        stack.callback(clusters.disconnect, cluster)
    states: dict[str, Any] = dict.fromkeys(ledger.finished, "finished")
    planned = make_plan(sweep, states).missing
    work = FixedWork([p.trial for p in planned], [p.seconds for p in planned])
    estimates = {p.trial.trial_id: p.seconds for p in planned}
    outcomes: Counter[str] = Counter()
    with Progress(sweep.trials(), states, estimates) as progress:

        def on_event(event: "Event") -> None:
            progress.on_event(event)
            if event.kind == "finished" and event.result is not None and event.result.outcome:
                outcomes[event.result.outcome] += 1

        summary = run(
            work,
            sweep,
            Place(address=address, storage=place, data_root=os.environ.get("SKIPRAY_DATA")),
            cluster,
            on_event=on_event,
        )
    tracking.deliver_pending(address, sweep.trials(), place)
    return Ended(
        len(sweep.trials()),
        summary.finished,
        len(summary.failed),
        summary.interrupted,
        summary.seconds,
        outcomes,
        address,
    )
