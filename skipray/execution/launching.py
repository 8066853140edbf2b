"""One launch from start to end: lease, ledger, cluster, trials, delivery."""

import os
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Protocol

from skipray import tracking
from skipray.execution.ahead import Ahead
from skipray.execution.data_checks import check_data, verify_data
from skipray.execution.delivery import PATIENCE_SECONDS, DeliveryThread, deliver_rest, deliverable, known_by_now
from skipray.execution.ended import LaunchEnd
from skipray.execution.limits import check_limits
from skipray.execution.live_answer import LiveAnswer
from skipray.execution.ownership import Ownership, owned, refuse_second
from skipray.execution.tally import GuessedSeconds, Tally, timed_seconds
from skipray.extension import catalog
from skipray.planning.budget import Budget, BudgetFit, fit
from skipray.planning.cores import usable_cores
from skipray.planning.plan import make_plan, trial_sizes
from skipray.planning.rehearsal import rehearse
from skipray.records import State
from skipray.spec import SpecError, SweepSpec, TrialSpec
from skipray.terminal.progress import Progress
from skipray.terminal.standing import Standing
from skipray.terminal.waiting import waiting_for

if TYPE_CHECKING:
    from skipray.scheduling.ray.attempt import WorkerContext
    from skipray.scheduling.ray.cluster import Cluster
    from skipray.scheduling.ray.local_start import LocalStart
    from skipray.scheduling.ray.resources import Shares
    from skipray.scheduling.work.events import Event, Summary
    from skipray.tracking import Address, KnownTrials, Ledger, RunServer


RESULTS_IN_HAND = 4
"""Written by the launch at once, at most, while their workers go on with their next trials."""
CLUSTER = "Ray"
"""What is waited for while a cluster starts or is joined."""


def launch_sweep(
    sweep: SweepSpec,
    *,
    tracking_uri: str | None = None,
    ray_address: str | None = None,
    start: "LocalStart | None" = None,
    budget: Budget | None = None,
    on_fit: Callable[[BudgetFit], None] = lambda fit: None,
    say: Callable[[str], None] = lambda text: None,
    at_end: Callable[[], None] = lambda: None,
    on_standing: Callable[[Callable[[], Standing]], None] = lambda look: None,
) -> LaunchEnd:
    """Run the missing trials of a sweep.

    Args:
        start: of a cluster of this machine, where it has been begun already.
        budget: how much may be spent; what tells least is left out.
        on_fit: told what fits into the budget, before the first trial starts.
        say: told in words what is being waited for: the first trial starts seconds, on a cluster minutes, later.
        at_end: what can be made ready for the end, such as imports: called in a thread when the last trials run, and
            while Ray ends, where it finds done what it has done before; not after an interruption.
        on_standing: given, after each event and now and then while there is none, what says where the launch stands.

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
            done = Standing({"finished": len(known.trials)}, seconds_left=0.0)
            on_standing(lambda: done)
            return _ended_before(sweep, tracking_uri, storage_url, known, ledger)
    ray_address = ray_address or os.environ.get("RAY_ADDRESS") or None
    here = ray_address in (None, "local")
    check_limits(trains=here)

    from skipray.scheduling.ray.pending_connection import PendingConnection

    ended: LaunchEnd | None = None
    ahead = Ahead(at_end)

    def meanwhile() -> None:
        if ended is not None and not ended.interrupted:
            ahead.finish()

    with tracking.looking_anew(), ExitStack() as stack:
        connecting = PendingConnection(sweep, address=ray_address, trials=missing, start=start)
        stack.callback(connecting.end, meanwhile)  # before it is at work: Ctrl-C may come at any time
        connecting.prepare()
        for note in rehearse(sweep):
            say(note)
        check_data(sweep)
        say("starting Ray on this machine" if here else f"joining Ray at {ray_address}")

        from skipray.scheduling.ray.preflight import check_feasible

        # Ray starts while the tracking store is made ready: together they are most of the time before the first trial.
        connecting.begin()
        catalog.check_all("claims")  # pandas and scipy are imported meanwhile
        if here:
            verify_data(sweep)
        if ray_address or _needs_more_than_this_machine(sweep):
            with waiting_for(CLUSTER, say):
                cluster = connecting.result()
            check_feasible(sweep, cluster, uri)  # before anything is created
        with waiting_for("the tracking store", say):
            address = tracking.open_sweep(sweep, tracking_uri)
            ownership = stack.enter_context(owned(sweep, address, storage_url))
            tracking.begin_sweep(address, sweep)
        say(f"runs: {tracking.where_to_look(address)}")
        with waiting_for(CLUSTER, say):
            cluster = connecting.result()
        runs = _runs_written_here(cluster, stack)
        ended = _run(sweep, cluster, address, storage_url, ownership, runs, budget, on_fit, say, on_standing, ahead)
        return ended


def _runs_written_here(cluster: "Cluster", stack: ExitStack) -> "RunServer | None":
    """What writes runs here for workers of this machine, until the stack ends; None: they write themselves."""
    if cluster.start is None:
        return None
    try:
        runs = tracking.RunServer(cluster.start.folder.path, ahead=RESULTS_IN_HAND)
    except OSError:
        return None
    stack.callback(runs.end)
    return runs


def _ended_before(
    sweep: SweepSpec, tracking_uri: str | None, storage_url: str, known: "KnownTrials", ledger: "Ledger"
) -> LaunchEnd:
    """Nothing is missing."""
    uri = tracking.resolve_uri(sweep, tracking_uri)
    run = tracking.find_sweep_run(uri, sweep.name)
    damaged = run is not None and bool(tracking.damaged_beside(uri, run))
    # One of an earlier release has no manifest; this is that of its code while that is still at hand. Another file was
    # launched since: the store is to say what this one does.
    another = run is not None and not tracking.is_latest(uri, run, sweep, known.trials)
    unexplained = damaged or another
    # Not finished: the last launch was killed between its last trial and its end, so the report is to be logged.
    replaced = another and run is not None and tracking.has_manifest(uri, run)
    unended = damaged or replaced or tracking.sweep_status(sweep, tracking_uri) != "FINISHED"
    address = tracking.open_sweep(sweep, tracking_uri) if unended or unexplained else None
    if address is not None and unended:
        with owned(sweep, address, storage_url):
            tracking.begin_sweep(address, sweep)
    if address is not None and unexplained:
        tracking.write_manifest(address, sweep, known.trials, _sizes(known.trials))
    to_log = address if unended else None
    return LaunchEnd(len(known.trials), 0, 0, False, 0.0, Counter(), to_log, before=(known, ledger))


def _sizes(trials: Iterable[TrialSpec]) -> dict[str, dict[str, int]]:
    """trial_id -> what its network costs, where that can be told."""
    return {t.trial_id: asdict(sizes) for t in trials if (sizes := trial_sizes(t)) is not None}


def _needs_more_than_this_machine(sweep: SweepSpec) -> bool:
    return sweep.resources.device != "cpu" or sweep.resources.threads > usable_cores()


def _run(
    sweep: SweepSpec,
    cluster: "Cluster",
    address: "Address",
    storage_url: str,
    ownership: Ownership,
    runs: "RunServer | None",
    budget: Budget | None,
    on_fit: Callable[[BudgetFit], None],
    say: Callable[[str], None],
    on_standing: Callable[[Callable[[], Standing]], None],
    ahead: Ahead,
) -> LaunchEnd:
    from skipray.scheduling.ray.attempt import WorkerContext
    from skipray.scheduling.ray.capacity import Capacity
    from skipray.scheduling.ray.run import run
    from skipray.scheduling.ray.taken import Taken
    from skipray.scheduling.work.queue import work_of

    context = WorkerContext(
        address=address,
        storage=storage_url,
        data_root=os.environ.get("SKIPRAY_DATA"),
        launch_mark=ownership.mark,
        sources=sweep.sources,
        runs=runs.place if runs else None,
    )
    _check_cluster(sweep, cluster, context, say)
    known, ledger = _up_to_date(sweep, address, storage_url)
    shares = _shares(sweep, _missing(known, ledger), context.data_root)
    concurrency = Capacity(lambda: cluster, sweep, shares).concurrency()
    timed = timed_seconds(sweep, budget, context.data_root, say)
    seconds = timed or GuessedSeconds(sweep)
    reached = None
    if budget is not None and sweep.adaptive is None:
        reached = _reached(sweep, _missing(known, ledger), seconds, budget, concurrency)
        on_fit(reached)
    work = work_of(sweep, address.uri, ledger, known, seconds, fit=reached, budget=budget, concurrency=concurrency)
    states: dict[str, State] = dict.fromkeys(ledger.finished, "finished")
    plan = make_plan(sweep, states, trials=known.trials, seconds=seconds)
    tracking.write_manifest(address, sweep, known.trials, _sizes(known.trials))
    tally = Tally(timed)
    delivery = DeliveryThread(
        address,
        lambda: deliverable(sweep, address, known),
        sweep.name,
        storage_url,
        tally.running,
        tally.finished,
        say,
        runs,
    )
    live = LiveAnswer(sweep, address, len(known.trials) + known.to_come, len(ledger.finished))
    estimates = {p.trial.trial_id: p.seconds for p in plan.unfinished}
    with Progress(known.trials, states, estimates, sweep.depth_words) as progress, delivery, live:
        listeners = _Listeners(progress, (progress, tally, live), on_standing, ahead, Taken(cluster, shares).words)
        summary = run(
            work,
            sweep,
            context,
            cluster,
            shares=shares,
            run_ids=ledger.run_id,
            on_event=listeners.on_event,
            on_wait=listeners.on_wait,
            taken_over=ownership.taken_over,
        )
        delivery.wait_for_hands(hurry=summary.interrupted or ownership.taken_over())
    ended = _ended(len(known.trials), summary, tally, address, reached)
    if ownership.taken_over():
        # What waits is the other launch's to deliver now: taking a trial over would stop its attempt.
        return replace(ended, interrupted=True, address=None, why=ownership.why())
    return _delivered(ended, sweep, address, storage_url, known, tally.ended_well, say)


class _Listener(Protocol):
    def on_event(self, event: "Event") -> None: ...


@dataclass(frozen=True)
class _Listeners:
    """All that are told what happens to trials."""

    progress: Progress
    others: tuple[_Listener, ...]
    on_standing: Callable[[Callable[[], Standing]], None]
    ahead: Ahead
    taken: Callable[[], str]

    def on_event(self, event: "Event") -> None:
        for one in self.others:
            one.on_event(event)
        if self.progress.last_ones_run():
            self.ahead.begin()
        self.on_standing(self.progress.standing)

    def on_wait(self) -> None:
        self.progress.on_wait(self.taken)
        self.on_standing(self.progress.standing)


def _ended(total: int, summary: "Summary", tally: "Tally", address: "Address", reached: BudgetFit | None) -> LaunchEnd:
    return LaunchEnd(
        total=total,
        ran=summary.finished,
        failed=len(summary.failed),
        interrupted=summary.interrupted,
        seconds=summary.seconds,
        outcomes=tally.outcomes,
        address=address,
        why=summary.why,
        fit=reached,
        estimated_seconds=tally.estimated,
        measured_seconds=tally.measured,
    )


def _delivered(
    ended: LaunchEnd,
    sweep: SweepSpec,
    address: "Address",
    storage_url: str,
    known: "KnownTrials",
    ended_well: set[str],
    say: Callable[[str], None],
) -> LaunchEnd:
    """The end, once what waited in the storage is delivered as far as the tracking store takes it.

    Args:
        ended_well: trial_ids, as their workers have it; one whose result the store refuses has failed all the same.
    """
    patience = 0 if ended.interrupted else PATIENCE_SECONDS
    pending = deliver_rest(sweep, address, known, storage_url, patience, say)
    known = known_by_now(sweep, address, known)
    if sweep.tune is not None or sweep.adaptive is not None:  # what follows from results was not known at the start
        with suppress(tracking.TrackingAway):
            tracking.write_manifest(address, sweep, known.trials, _sizes(known.trials))
    late = {trial_id: why for trial_id, why in pending.refused if trial_id in ended_well}
    for trial_id, why in late.items():
        say(f"the tracking store refuses the result of trial {trial_id}: {why}")
    return replace(
        ended,
        total=len(known.trials),
        ran=ended.ran - len(late),
        failed=ended.failed + len(late),
        undelivered=len(pending.left),
    )


def _check_cluster(sweep: SweepSpec, cluster: "Cluster", context: "WorkerContext", say: Callable[[str], None]) -> None:
    """Say where this Ray is not as expected; ask every node whether it can run the sweep's trials."""
    from skipray.scheduling.ray import private
    from skipray.scheduling.ray.preflight import check_nodes

    departures = private.departures()
    if departures:
        say(f"this Ray is not as skipray knows it: {'; '.join(departures)}. The sweep runs on public Tune, more slowly")
    if not cluster.one_local_node:
        say(f"asking {len(cluster.nodes)} nodes for versions, data, tracking and storage")
    with waiting_for("the nodes' answers", say):
        check_nodes(sweep, cluster, context)


def _up_to_date(sweep: SweepSpec, address: "Address", storage_url: str) -> tuple["KnownTrials", "Ledger"]:
    """What is known and finished, once results of earlier launches that still waited are delivered."""
    known = tracking.known_trials(sweep, address.uri)
    tracking.deliver_pending(address, deliverable(sweep, address, known), storage_url)
    known = tracking.known_trials(sweep, address.uri)
    ledger = tracking.read_ledger(sweep, address.uri, trials=known.trials)
    tracking.forget_finished(ledger.finished, storage_url, sweep.name)
    return known, ledger


def _reached(
    sweep: SweepSpec,
    missing: list[TrialSpec],
    seconds: Callable[[TrialSpec], float],
    budget: Budget,
    concurrency: int,
) -> BudgetFit:
    reached = fit(sweep, missing, seconds, budget, concurrency)
    if missing and not reached.trials:
        raise SpecError([f"--budget {budget}: found no room for a single depth; allowed: a larger budget"])
    return reached


def _missing(known: "KnownTrials", ledger: "Ledger") -> list[TrialSpec]:
    return [trial for trial in known.trials if trial.trial_id not in ledger.finished]


def _shares(sweep: SweepSpec, missing: list[TrialSpec], data_root: str | None) -> "Shares":
    """What each trial gets of a machine; GPU fractions are measured where the sweep does not give them."""
    from skipray.scheduling.ray.resources import Shares, measure_fractions, memory_key
    from skipray.scheduling.ray.timing import deepest

    if sweep.resources.device != "cuda" or sweep.resources.gpu_fraction is not None:
        return Shares(sweep)
    if sweep.adaptive is None:
        return Shares(sweep, measure_fractions([*missing, *sweep.cells], data_root))
    # Hundreds of candidates: what the deepest of a group needs is enough for the others.
    fractions: dict[str, float] = {}
    for cell, members in deepest(sweep):
        needed = measure_fractions([cell], data_root)[memory_key(cell)]
        fractions |= {memory_key(member): needed for member in members}
    return Shares(sweep, fractions)
