"""One launch from start to end: lease, ledger, cluster, trials, delivery."""

import os
import threading
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from skipray import datasets, storage, tracking
from skipray.plan import make_plan
from skipray.progress import Progress
from skipray.spec import SpecError, SweepSpec

if TYPE_CHECKING:
    from skipray.scheduling.cluster import Cluster
    from skipray.scheduling.events import Event
    from skipray.tracking import Address


COURIER_SECONDS = 30.0
"""How often results that could not be delivered are tried again."""


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
    undelivered: int = 0
    """Results that wait in the storage because the tracking store is away: the next launch delivers them."""

    def as_json(self) -> dict[str, Any]:
        return {
            "total": self.total,
            "ran": self.ran,
            "failed": self.failed,
            "interrupted": self.interrupted,
            "undelivered": self.undelivered,
            "seconds": round(self.seconds, 3),
        }


def launch_sweep(sweep: SweepSpec, *, tracking_uri: str | None = None, ray_address: str | None = None) -> Ended:
    """Run the missing trials of a sweep.

    Raises:
        skipray.spec.SpecError: data, store or cluster are not as they must be; the message names the remedy.
        skipray.storage.AlreadyRunning: another launch of this sweep is living.
    """
    uri, storage_url = tracking.resolve_uri(sweep, tracking_uri), tracking.storage_url(sweep, tracking_uri)
    ledger = tracking.read_ledger(sweep, tracking_uri) if tracking.exists(sweep, tracking_uri) else None
    finished = set(ledger.finished) if ledger else set()
    trials = sweep.trials()
    if all(t.trial_id in finished for t in trials):
        return Ended(len(trials), 0, 0, False, 0.0, Counter(), None)
    _check_data(sweep)

    from skipray.scheduling.cluster import Connecting, disconnect
    from skipray.scheduling.preflight import check_feasible

    with ExitStack() as stack:
        # Ray starts while the tracking store is made ready: together they are most of the time before the first trial.
        connecting = Connecting(sweep, address=ray_address)
        stack.callback(lambda: disconnect(connecting.result()))
        if ray_address or os.environ.get("RAY_ADDRESS") or _needs_more_than_this_machine(sweep):
            check_feasible(sweep, connecting.result(), uri)  # before anything is created
        stack.enter_context(storage.SweepLease(storage_url, sweep.name))
        address = tracking.prepare(sweep, tracking_uri)
        return _run(sweep, connecting.result(), address, storage_url)


def _needs_more_than_this_machine(sweep: SweepSpec) -> bool:
    return sweep.resources.device != "cpu" or sweep.resources.threads > (os.cpu_count() or 1)


def _check_data(sweep: SweepSpec) -> None:
    """Data that are missing here are probably missing everywhere; workers on other nodes are asked by the preflight."""
    said = datasets.missing(sweep.dataset)
    if said:
        raise SpecError([f"{sweep.path}: dataset.name: {said}"])


def _run(sweep: SweepSpec, cluster: "Cluster", address: "Address", storage_url: str) -> Ended:
    from skipray.scheduling.preflight import check_nodes
    from skipray.scheduling.resources import Shares, measure_fractions
    from skipray.scheduling.run import run
    from skipray.scheduling.ticket import Place
    from skipray.scheduling.work import FixedWork

    data_root = os.environ.get("SKIPRAY_DATA")
    place = Place(address=address, storage=storage_url, data_root=data_root)
    check_nodes(sweep, cluster, place)
    tracking.deliver_pending(address, sweep.trials(), storage_url)
    ledger = tracking.read_ledger(sweep, address.uri)
    states: dict[str, Any] = dict.fromkeys(ledger.finished, "finished")
    planned = make_plan(sweep, states).missing
    shares = None
    if sweep.resources.device == "cuda" and sweep.resources.gpu_fraction is None:
        shares = Shares(sweep, measure_fractions([p.trial for p in planned], data_root))
    work = FixedWork([p.trial for p in planned], [p.seconds for p in planned])
    estimates = {p.trial.trial_id: p.seconds for p in planned}
    outcomes: Counter[str] = Counter()
    running: set[str] = set()
    courier = _Courier(address, sweep, storage_url, running)
    with Progress(sweep.trials(), states, estimates) as progress, courier:

        def on_event(event: "Event") -> None:
            progress.on_event(event)
            (running.add if event.kind == "started" else running.discard)(event.trial.trial_id)
            if event.kind == "finished" and event.result is not None and event.result.outcome:
                outcomes[event.result.outcome] += 1

        summary = run(
            work,
            sweep,
            place,
            cluster,
            shares=shares,
            run_ids=ledger.run_id,
            on_event=on_event,
        )
    pending = tracking.deliver_pending(address, sweep.trials(), storage_url)
    return Ended(
        len(sweep.trials()),
        summary.finished,
        len(summary.failed),
        summary.interrupted,
        summary.seconds,
        outcomes,
        address,
        len(pending.left),
    )


class _Courier(threading.Thread):
    """Delivers, while the launch goes on, what workers had to leave in the storage when the tracking store was away."""

    def __init__(self, address: "Address", sweep: SweepSpec, storage_url: str, running: set[str]):
        super().__init__(name="skipray-courier", daemon=True)
        self._address, self._sweep, self._storage_url, self._running = address, sweep, storage_url, running
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(COURIER_SECONDS):
            waiting = set(storage.awaiting_delivery(self._storage_url, self._sweep.name)) - set(self._running)
            if waiting:
                trials = [t for t in self._sweep.trials() if t.trial_id in waiting]
                tracking.deliver_pending(self._address, trials, self._storage_url, skip=set(self._running))

    def __enter__(self) -> "_Courier":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join(COURIER_SECONDS)
