"""`skipray measure`: a new or richer probe of the final weights of finished runs, on the cluster, without training.

A measurement is named by what it measures, so that runs which have it are left alone. What it finds is added to the
runs, see skipray.tracking.write.measurement.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from skipray import tracking
from skipray.execution.limits import check_limits
from skipray.execution.ownership import owned
from skipray.execution.restored import restored
from skipray.spec import ProbeSpec, SpecError, SweepSpec, TrialSpec, canonical_json
from skipray.terminal.progress import Progress

if TYPE_CHECKING:
    from skipray.scheduling.ray.attempt import TrialAttempt
    from skipray.scheduling.work.events import Event, Summary
    from skipray.scheduling.work.protocol import TrialResult
    from skipray.tracking import Measured

NO_WEIGHTS = "measure.no_weights"
"""A scalar of a result whose run has kept no weights."""
TRAINING_IS_OVER = "training is over: only the run itself can measure the last step's update"


@dataclass(frozen=True)
class Measuring:
    """How a `skipray measure` ended."""

    measurement: str
    """Name of the measurement; `read_layers(sweep, measurement=...)` reads it."""
    measured: int
    already: int
    """Runs that had it."""
    unfinished: int
    """Trials that are not finished, and so cannot be measured."""
    without_weights: tuple[str, ...]
    """Labels of trials whose runs have kept no weights."""
    failed: tuple[str, ...]
    """Labels and causes."""
    interrupted: bool
    seconds: float
    why: str = ""
    """What has ended it, where nobody did."""

    def as_json(self) -> dict[str, Any]:
        return {
            "measurement": self.measurement,
            "measured": self.measured,
            "already": self.already,
            "unfinished": self.unfinished,
            "without_weights": list(self.without_weights),
            "failed": list(self.failed),
            "interrupted": self.interrupted,
            "seconds": round(self.seconds, 3),
            "why": self.why,
        }


def measurement_name(probe: ProbeSpec) -> str:
    """Eight hexadecimal digits over the settings and the definitions of the statistics, with their versions."""
    from skipray.probe import asked_for
    from skipray.probe.rows import TENSORS, versions

    told = {"probe": _settings(probe), "definitions": versions(asked_for(probe)), "tensors": TENSORS}
    return hashlib.sha256(canonical_json(told).encode()).hexdigest()[:8]


def measure_sweep(sweep: SweepSpec, *, tracking_uri: str | None = None, ray_address: str | None = None) -> Measuring:
    """Measure the final weights of a sweep's finished runs with the sweep's probe settings.

    Raises:
        SpecError: there is nothing to measure, or nothing to measure it with.
        skipray.storage.AlreadyRunning: the sweep is being launched or measured right now.
    """
    if sweep.probe.preset == "none":
        raise SpecError([f"{sweep.path}: probe.preset: found none; allowed to measure: default, full"])
    uri = tracking.resolve_uri(sweep, tracking_uri)
    known = tracking.known_trials(sweep, uri).trials if tracking.exists(sweep, uri) else ()
    finished = tracking.read_ledger(sweep, uri, trials=known).finished if known else {}
    if not finished:
        found = f"found no finished run of the sweep as it is now in {tracking.redact(uri)}"
        raise SpecError([f"{sweep.path}: {found}; launch the sweep first"])
    name = measurement_name(sweep.probe)
    missing = [
        trial
        for trial in known
        if trial.trial_id in finished
        and name not in finished[trial.trial_id].measured
        and not covers(finished[trial.trial_id].probe, sweep.probe)
    ]
    already, unfinished = len(finished) - len(missing), len(known) - len(finished)
    if not missing:
        return Measuring(name, 0, already, unfinished, (), (), False, 0.0)
    run_ids = {i: row.run_id for i, row in finished.items()}
    summary, without = _run(sweep, missing, run_ids, tracking_uri=tracking_uri, ray_address=ray_address)
    labels = {t.trial_id: t.label for t in missing}
    return Measuring(
        name,
        summary.finished - len(without),
        already,
        unfinished,
        tuple(without),
        tuple(f"{labels[r.trial_id]}: {r.message}" for r in summary.failed),
        summary.interrupted,
        summary.seconds,
        summary.why,
    )


def _run(
    sweep: SweepSpec,
    missing: list[TrialSpec],
    run_ids: dict[str, str],
    *,
    tracking_uri: str | None,
    ray_address: str | None,
) -> tuple["Summary", list[str]]:
    """Measure these runs on the cluster. Returns also the labels of trials whose runs have kept no weights."""
    from skipray.scheduling.ray.addresses import local_address
    from skipray.scheduling.ray.attempt import WorkerContext
    from skipray.scheduling.ray.local_start import begin
    from skipray.scheduling.ray.pending_connection import PendingConnection
    from skipray.scheduling.ray.preflight import check_nodes
    from skipray.scheduling.ray.run import run
    from skipray.scheduling.work.protocol import FixedWork

    check_limits(trains=local_address(ray_address) is None)
    without: list[str] = []
    with ExitStack() as stack:
        start = begin(sweep, ray_address, imports="skipray.scheduling.ray.store_imports")
        connecting = PendingConnection(sweep, address=ray_address, trials=len(missing), start=start)
        stack.callback(connecting.end)  # before it is at work: Ctrl-C may come at any time
        connecting.prepare()
        connecting.begin()
        cluster = connecting.result()
        stored = tracking.storage_url(sweep, tracking_uri)
        address = tracking.address_of(tracking.resolve_uri(sweep, tracking_uri), next(iter(run_ids.values())))
        stack.enter_context(owned(sweep, address, stored))
        context = WorkerContext(address=address, storage=stored, data_root=os.environ.get("SKIPRAY_DATA"))
        check_nodes(sweep, cluster, context)
        costs = [float(trial.model.depth) for trial in missing]
        progress = stack.enter_context(
            Progress(missing, {}, {t.trial_id: cost for t, cost in zip(missing, costs, strict=True)}, sweep.depth_words)
        )

        def on_event(event: "Event") -> None:
            progress.on_event(event)
            if event.kind == "finished" and event.result is not None and event.result.scalars.get(NO_WEIGHTS):
                without.append(event.trial.label)

        summary = run(
            FixedWork(missing, costs),
            sweep,
            context,
            cluster,
            on_event=on_event,
            on_wait=progress.on_wait,
            run_ids=run_ids.get,
            execute=execute,
        )
    return summary, without


def execute(attempt: "TrialAttempt", interrupted: Callable[[], None]) -> "TrialResult":
    """In a worker: measure one run's weights, and add what was found to the run."""
    from skipray.scheduling.work.protocol import TrialResult

    trial = attempt.trial
    for variable, value in attempt.context.credentials.items():
        os.environ.setdefault(variable, value)
    assert attempt.context.address is not None, "measuring needs a tracking address"
    assert attempt.run_id is not None, "only finished runs are measured"
    uri = attempt.context.address.uri
    name = measurement_name(trial.probe)
    run = tracking.finished_run(uri, attempt.run_id)
    if name in run.row.measured:  # by an attempt whose worker died after that
        return TrialResult(trial.trial_id, "finished", attempt.number)
    weights = tracking.read_weights(uri, run.row)
    if weights is None:
        said = f"its run {tracking.why_no_weights(run.row)}"
        return TrialResult(trial.trial_id, "finished", attempt.number, message=said, scalars={NO_WEIGHTS: 1.0})
    interrupted()
    found = measure_weights(
        trial,
        weights,
        epoch=run.last_epoch,
        scalars=run.row.outcome != "diverged",
        data_root=attempt.context.data_root,
    )
    interrupted()
    tracking.add_measurement(uri, run, name, found)
    return TrialResult(trial.trial_id, "finished", attempt.number, probe_seconds=found.seconds)


def measure_weights(
    trial: TrialSpec, weights: bytes | None, *, epoch: int, scalars: bool = True, data_root: str | None = None
) -> "Measured":
    """The probe of a trial's network with given weights.

    Args:
        weights: a safetensors file, as the trial has left it; None for the network as it was initialised.
        epoch: that the weights belong to.
        scalars: whether the network's headline numbers and generalization measures mean anything: those of a diverged
            one do not.

    Raises:
        ValueError: the weights are damaged or another network's.
    """
    from skipray.probe import measure
    from skipray.probe.generalization import generalization_measures
    from skipray.tracking import Measured
    from skipray.trial import numerics
    from skipray.trial.training.losses import judging_loss, probing_loss

    with numerics(trial), restored(trial, weights, data_root) as probed:
        network, inputs, labels = probed.network, probed.inputs, probed.labels
        started = time.perf_counter()
        found = measure(
            network,
            inputs,
            labels,
            trial.probe,
            epoch=epoch,
            no_updates=TRAINING_IS_OVER,
            loss=probing_loss(trial.recipe, labels),
            counted=probed.counted,
            trained_together=trial.recipe.trained_together,
        )
        metrics: dict[str, float] = {}
        if scalars:
            metrics |= found.metrics
        if scalars:
            metrics |= generalization_measures(
                network,
                inputs,
                labels,
                initial=probed.initial,
                spec=trial.probe,
                loss=judging_loss(trial.recipe),
                seed=trial.seed,
                counted=probed.counted,
                trained=epoch > 0,
            ).values
        return Measured(
            settings=_settings(trial.probe),
            layers=found.layers,
            spectra=found.spectra,
            histograms=found.histograms,
            metrics=metrics,
            profiles=found.profiles if scalars else {},
            profile_layers=found.profile_layers if scalars else {},
            seconds=time.perf_counter() - started,
        )


def _settings(probe: ProbeSpec) -> dict[str, Any]:
    """What a measurement depends on: how often a training probes does not matter to it.

    Further metrics and layers stand in it where there are any, so that measurements from before them keep their names.
    """
    told = {key: value for key, value in probe.model_dump().items() if key != "every_epochs"}
    return {key: value for key, value in told.items() if value or key not in ("metrics", "layers")}


def covers(have: str | None, asked: ProbeSpec) -> bool:
    """Whether a run's own probe measured all that is asked, on as many images."""
    if not have:
        return False
    # A run from before there were histograms has none.
    settings = {key: value for key, value in json.loads(have).items() if key in ProbeSpec.model_fields}
    own = ProbeSpec.model_validate_json(json.dumps({"histograms": False} | settings))
    return (
        own.samples == asked.samples
        and (own.preset == asked.preset or own.preset == "full")
        and (own.gradients >= asked.gradients or own.preset == "full")
        and own.histograms >= asked.histograms
        and own.hessian >= asked.hessian
        and own.jacobian >= asked.jacobian
        and set(own.metrics) >= set(asked.metrics)
        and own.layers == asked.layers
    )
