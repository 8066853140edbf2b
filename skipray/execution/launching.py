"""One launch from start to end: lease, ledger, cluster, trials, delivery."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from skipray import datasets, storage, tracking
from skipray.execution.ownership import owned, refuse_second
from skipray.planning.budget import Budget, Fit, fit
from skipray.planning.estimate import CPU, CUDA, estimate_seconds
from skipray.planning.plan import Plan, make_plan, trial_sizes
from skipray.planning.rehearsal import rehearse
from skipray.spec import SpecError, SweepSpec, TrialSpec
from skipray.terminal.progress import Progress
from skipray.terminal.waiting import waiting_for

if TYPE_CHECKING:
    from skipray.scheduling.ray.cluster import Cluster
    from skipray.scheduling.ray.resources import Shares
    from skipray.scheduling.work.events import Event
    from skipray.tracking import Address, Known, Ledger, Pending


COURIER_SECONDS = 30.0
"""How often results that could not be delivered are tried again."""
PATIENCE_SECONDS = 120.0
"""How long a launch that has run everything waits for a tracking store that is away."""
RETRY_SECONDS = 5.0
"""How often it is tried then."""
CLUSTER = "Ray"
"""What is waited for while a cluster starts or is joined."""


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
    why: str = ""
    """What ended it early, and the remedy; empty after Ctrl-C or SIGTERM."""
    undelivered: int = 0
    """Results that wait in the storage because the tracking store is away: the next launch delivers them."""
    fit: Fit | None = None
    """What a budget reached for."""
    estimated_seconds: float = 0.0
    """Training and probing of the trials that ended, as the budget's estimate had it; 0 without one."""
    measured_seconds: float = 0.0
    """The same, as it was."""

    @property
    def sweep_status(self) -> str:
        """Of the sweep's run, in MLflow's words: KILLED after an interruption or while results wait, since the next
        launch goes on."""
        if self.interrupted or self.undelivered:
            return "KILLED"
        return "FAILED" if self.failed else "FINISHED"

    @property
    def estimate_error(self) -> float | None:
        """By which share the trials took longer than was estimated; None without an estimate."""
        return self.measured_seconds / self.estimated_seconds - 1 if self.estimated_seconds else None

    def as_json(self) -> dict[str, Any]:
        return {
            "total": self.total,
            "ran": self.ran,
            "failed": self.failed,
            "interrupted": self.interrupted,
            "why": self.why,
            "undelivered": self.undelivered,
            "seconds": round(self.seconds, 3),
        } | ({} if self.estimate_error is None else {"estimate_error": round(self.estimate_error, 3)})


def launch_sweep(
    sweep: SweepSpec,
    *,
    tracking_uri: str | None = None,
    ray_address: str | None = None,
    budget: Budget | None = None,
    on_fit: Callable[[Fit], None] = lambda fit: None,
    say: Callable[[str], None] = lambda text: None,
    at_end: Callable[[], None] = lambda: None,
) -> Ended:
    """Run the missing trials of a sweep.

    Args:
        budget: how much may be spent; what tells least is left out.
        on_fit: told what fits into the budget, before the first trial starts.
        say: told in words what is being waited for: the first trial starts seconds, on a cluster minutes, later.
        at_end: called while Ray ends, in which time something useful can be done; not after an interruption.

    Raises:
        skipray.spec.SpecError: data, store or cluster are not as they must be; the message names the remedy.
        skipray.storage.AlreadyRunning: another launch of this sweep is living.
    """
    uri, storage_url = tracking.resolve_uri(sweep, tracking_uri), tracking.storage_url(sweep, tracking_uri)
    missing = None
    if tracking.exists(sweep, tracking_uri):
        from skipray.scheduling.work.queue import is_complete

        known = tracking.known_trials(sweep, tracking_uri)
        ledger = tracking.read_ledger(sweep, tracking_uri, trials=known.trials)
        missing = len(known.trials) - len(ledger.finished) + known.to_come
        refuse_second(sweep, tracking_uri)
        if is_complete(sweep, uri, ledger, known):
            address = None
            if tracking.sweep_status(sweep, tracking_uri) != "FINISHED":
                # The last launch was killed between its last trial and its end: the report is still to be logged.
                address = tracking.open_sweep(sweep, tracking_uri)
                with owned(sweep, address, storage_url):
                    tracking.begin_sweep(address, sweep)
            _explain(sweep, uri, known)
            return Ended(len(known.trials), 0, 0, False, 0.0, Counter(), address)
    for note in rehearse(sweep):
        say(note)
    _check_data(sweep)
    ray_address = ray_address or os.environ.get("RAY_ADDRESS") or None
    say("starting Ray on this machine" if ray_address in (None, "local") else f"joining Ray at {ray_address}")

    from skipray.scheduling.ray.pending_connection import PendingConnection
    from skipray.scheduling.ray.preflight import check_feasible

    ended: Ended | None = None

    def meanwhile() -> None:
        if ended is not None and not ended.interrupted:
            at_end()

    with ExitStack() as stack:
        # Ray starts while the tracking store is made ready: together they are most of the time before the first trial.
        connecting = PendingConnection(sweep, address=ray_address, trials=missing)
        stack.callback(connecting.end, meanwhile)
        if ray_address in (None, "local"):
            _verify_data(sweep)
        if ray_address or _needs_more_than_this_machine(sweep):
            with waiting_for(CLUSTER, say):
                cluster = connecting.result()
            check_feasible(sweep, cluster, uri)  # before anything is created
        with waiting_for("the tracking store", say):
            address = tracking.open_sweep(sweep, tracking_uri)
            taken_over = stack.enter_context(owned(sweep, address, storage_url))
            tracking.begin_sweep(address, sweep)
        say(f"runs: {tracking.where_to_look(address)}")
        with waiting_for(CLUSTER, say):
            cluster = connecting.result()
        ended = _run(sweep, cluster, address, storage_url, taken_over, budget, on_fit, say)
        return ended


def _explain(sweep: SweepSpec, uri: str, known: "Known") -> None:
    """Give a finished sweep of skipray 0.1 its manifest while the code that it was run with is still at hand."""
    run = tracking.find_sweep_run(uri, sweep.name)
    if run is not None and not tracking.has_manifest(uri, run):
        plan = make_plan(sweep, trials=known.trials)
        tracking.write_manifest(tracking.open_sweep(sweep, uri), sweep, known.trials, _sizes(plan))


def _sizes(plan: Plan) -> dict[str, dict[str, int]]:
    """trial_id -> what its network costs, where that can be told."""
    return {p.trial.trial_id: asdict(p.sizes) for p in plan.trials if p.sizes is not None}


def _needs_more_than_this_machine(sweep: SweepSpec) -> bool:
    return sweep.resources.device != "cpu" or sweep.resources.threads > (os.cpu_count() or 1)


def _check_data(sweep: SweepSpec) -> None:
    """Data that are missing here are probably missing everywhere; workers on other nodes are asked by the preflight."""
    _refuse_data(sweep, datasets.missing(sweep.dataset))


def _verify_data(sweep: SweepSpec) -> None:
    """Read and compare the data while Ray starts: on the first launch only, trials map what this has prepared."""
    _refuse_data(sweep, datasets.unusable(sweep.dataset, sweep.cells[0].fingerprint))


def _refuse_data(sweep: SweepSpec, said: str | None) -> None:
    if said:
        raise SpecError([f"{sweep.where('dataset', 'name')}: dataset.name: {said}"])


def _run(
    sweep: SweepSpec,
    cluster: "Cluster",
    address: "Address",
    storage_url: str,
    taken_over: Callable[[], bool],
    budget: Budget | None,
    on_fit: Callable[[Fit], None],
    say: Callable[[str], None],
) -> Ended:
    from skipray.scheduling.ray import private
    from skipray.scheduling.ray.attempt import WorkerContext
    from skipray.scheduling.ray.capacity import Capacity
    from skipray.scheduling.ray.preflight import check_nodes
    from skipray.scheduling.ray.run import run
    from skipray.scheduling.ray.timing import time_sweep
    from skipray.scheduling.work.queue import work_of

    departures = private.departures()
    if departures:
        say(f"this Ray is not as skipray knows it: {'; '.join(departures)}. The sweep runs on public Tune, more slowly")
    data_root = os.environ.get("SKIPRAY_DATA")
    context = WorkerContext(address=address, storage=storage_url, data_root=data_root)
    if not cluster.one_local_node:
        say(f"asking {len(cluster.nodes)} nodes for versions, data, tracking and storage")
    with waiting_for("the nodes' answers", say):
        check_nodes(sweep, cluster, context)
    known = tracking.known_trials(sweep, address.uri)
    tracking.deliver_pending(address, _deliverable(sweep, address, known), storage_url)
    known = tracking.known_trials(sweep, address.uri)
    ledger = tracking.read_ledger(sweep, address.uri, trials=known.trials)
    tracking.forget_finished(ledger.finished, storage_url, sweep.name)
    states: dict[str, Any] = dict.fromkeys(ledger.finished, "finished")
    shares = _shares(sweep, known, ledger, data_root)
    concurrency = Capacity(lambda: cluster, sweep, shares).concurrency()
    timed = None
    if budget is not None and budget.seconds is not None:
        say("timing a few steps for the budget")
        with waiting_for("the timed steps", say):
            timed = time_sweep(sweep, data_root)
    seconds = timed or _Guess(sweep)
    reached = None
    if budget is not None and sweep.adaptive is None:
        missing = [t for t in known.trials if t.trial_id not in ledger.finished]
        reached = fit(sweep, missing, seconds, budget, concurrency)
        on_fit(reached)
        if missing and not reached.trials:
            raise SpecError([f"--budget {budget}: found no room for a single depth; allowed: a larger budget"])
    work = work_of(sweep, address.uri, ledger, known, seconds, fit=reached, budget=budget, concurrency=concurrency)
    plan = make_plan(sweep, states, trials=known.trials, seconds=seconds)
    tracking.write_manifest(address, sweep, known.trials, _sizes(plan))
    estimates = {p.trial.trial_id: p.seconds for p in plan.missing}
    spent = [0.0, 0.0]
    outcomes: Counter[str] = Counter()
    running: set[str] = set()
    courier = _Courier(address, lambda: _deliverable(sweep, address, known), sweep.name, storage_url, running)
    with Progress(known.trials, states, estimates) as progress, courier:

        def on_event(event: "Event") -> None:
            progress.on_event(event)
            (running.add if event.kind == "started" else running.discard)(event.trial.trial_id)
            if event.kind == "finished" and event.result is not None and event.result.outcome:
                outcomes[event.result.outcome] += 1
                if timed is not None and event.result.train_seconds > 0:
                    spent[0] += timed(event.trial)
                    spent[1] += event.result.train_seconds + event.result.probe_seconds

        summary = run(
            work,
            sweep,
            context,
            cluster,
            shares=shares,
            run_ids=ledger.run_id,
            on_event=on_event,
            on_wait=progress.on_wait,
            taken_over=taken_over,
        )
    if taken_over():
        # What waits is the other launch's to deliver now: taking a trial over would stop its attempt.
        return Ended(
            len(known.trials),
            summary.finished,
            len(summary.failed),
            True,
            summary.seconds,
            outcomes,
            None,
            f"another launch has taken sweep {sweep.name} over while this one was silent; it goes on",
        )
    pending = _deliver_rest(sweep, address, known, storage_url, 0 if summary.interrupted else PATIENCE_SECONDS, say)
    known = _known(sweep, address, known)
    if sweep.tune is not None:  # its tuned finals were not known at the start
        with suppress(tracking.TrackingAway):
            sizes = {t.trial_id: asdict(s) for t in known.trials if (s := trial_sizes(t)) is not None}
            tracking.write_manifest(address, sweep, known.trials, sizes)
    return Ended(
        len(known.trials),
        summary.finished,
        len(summary.failed),
        summary.interrupted,
        summary.seconds,
        outcomes,
        address,
        summary.why,
        len(pending.left),
        reached,
        spent[0],
        spent[1],
    )


def _deliver_rest(
    sweep: SweepSpec,
    address: "Address",
    known: "Known",
    storage_url: str,
    patience_seconds: float,
    say: Callable[[str], None],
) -> "Pending":
    """Deliver what still waits, and wait for the store so long if it is away."""
    end = time.monotonic() + patience_seconds
    said = False
    while True:
        pending = tracking.deliver_pending(address, _deliverable(sweep, address, known), storage_url)
        if not pending.left or time.monotonic() > end:
            break
        if not said:
            said = True
            say(f"{len(pending.left)} results wait for the tracking store; trying for {patience_seconds:g} s (Ctrl-C)")
        time.sleep(RETRY_SECONDS)
    with suppress(tracking.TrackingAway, OSError):
        if storage.trials_kept(storage_url, sweep.name):
            trials = _known(sweep, address, known).trials
            finished = tracking.read_ledger(sweep, address.uri, trials=trials).finished
            tracking.forget_finished(finished, storage_url, sweep.name)
    return pending


def _known(sweep: SweepSpec, address: "Address", before: "Known") -> "Known":
    """The trials by now; those that were known before while the store is away."""
    try:
        return tracking.known_trials(sweep, address.uri)
    except tracking.TrackingAway:
        return before


def _deliverable(sweep: SweepSpec, address: "Address", known: "Known") -> tuple[TrialSpec, ...]:
    """Trials whose results may wait in the storage; of an adaptive sweep also those that no run shows yet."""
    return sweep.trials() if sweep.tune is None else _known(sweep, address, known).trials


def _shares(sweep: SweepSpec, known: "Known", ledger: "Ledger", data_root: str | None) -> "Shares":
    """What each trial gets of a machine; GPU fractions are measured where the sweep does not give them."""
    from skipray.scheduling.ray.resources import Shares, measure_fractions, memory_key
    from skipray.scheduling.ray.timing import deepest

    if sweep.resources.device != "cuda" or sweep.resources.gpu_fraction is not None:
        return Shares(sweep)
    if sweep.adaptive is None:
        missing = [t for t in known.trials if t.trial_id not in ledger.finished]
        return Shares(sweep, measure_fractions([*missing, *sweep.cells], data_root))
    # Hundreds of candidates: what the deepest of a group needs is enough for the others.
    fractions: dict[str, float] = {}
    for cell, members in deepest(sweep):
        needed = measure_fractions([cell], data_root)[memory_key(cell)]
        fractions |= {memory_key(member): needed for member in members}
    return Shares(sweep, fractions)


class _Guess:
    """Seconds of a trial from its FLOPs and a stated speed."""

    def __init__(self, sweep: SweepSpec):
        self._speed = CUDA if sweep.resources.device == "cuda" else CPU

    def __call__(self, trial: TrialSpec) -> float:
        return estimate_seconds(trial, trial_sizes(trial), self._speed)


class _Courier(threading.Thread):
    """Delivers, while the launch goes on, what workers had to leave in the storage when the tracking store was away."""

    def __init__(
        self,
        address: "Address",
        trials: Callable[[], tuple[TrialSpec, ...]],
        sweep_name: str,
        storage_url: str,
        running: set[str],
    ):
        super().__init__(name="skipray-courier", daemon=True)
        self._address, self._trials, self._sweep_name = address, trials, sweep_name
        self._storage_url, self._running = storage_url, running
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(COURIER_SECONDS):
            waiting = set(storage.awaiting_delivery(self._storage_url, self._sweep_name)) - set(self._running)
            if waiting:
                trials = [t for t in self._trials() if t.trial_id in waiting]
                tracking.deliver_pending(self._address, trials, self._storage_url, skip=set(self._running))

    def __enter__(self) -> "_Courier":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join(COURIER_SECONDS)
