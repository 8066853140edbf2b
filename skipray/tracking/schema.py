"""Names in MLflow: what a run is called, its tags, params and metrics."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from skipray import __version__
from skipray.records import EpochRecord, TrialRecord
from skipray.spec import TrialSpec, canonical_json

KIND = "skipray.kind"
SWEEP = "skipray.sweep"
TRIAL_ID = "skipray.trial_id"
OUTCOME = "skipray.outcome"
ATTEMPT = "skipray.attempt"
PROBE = "skipray.probe"
"""Canonical JSON of the ProbeSpec that the run was measured with, and of which code own metrics had, under CODE."""
CODE = "code"
ENVIRONMENT = "skipray.environment"
"""JSON of TrialRecord.environment."""
COMPILING = "skipray.compiling"
"""JSON of TrialRecord.compiling, of trials whose recipe asks for compiled steps."""
FAILURE_CLASS = "skipray.failure.class"
FAILURE_MESSAGE = "skipray.failure.message"
SETTING = "skipray.setting"
NUMERICS = "skipray.numerics"
"""The version of skipray's numerics that the trial was run with. Runs without it are of FIRST_NUMERICS."""
STUDY = "skipray.study"
"""Of a tuning trial's run: its study's key. A sampler's own points are found again by it."""
POINT = "skipray.point"
RECIPE = "skipray.recipe"
"""Of a tuning trial's run: canonical JSON of its recipe, whose numbers params hold as texts only."""
ARTIFACTS = "skipray.artifacts"
"""JSON: file of the run -> its size in bytes and its sha256."""
RECORDED_LATER = "skipray.checksums_recorded"
"""JSON: when, and by which skipray, the checksums of a run that had none were recorded: what changed before is not
seen by them."""
MENDED = "skipray.mended"
"""JSON: the files that `skipray doctor --repair` has measured anew, when, and with which skipray."""
MEASURED = "skipray.measured"
"""Names of the measurements that `skipray measure` added to a finished run, with commas, oldest first."""
MEASUREMENT_PREFIX = "skipray.measurement."
"""Before a measurement's name: JSON of its probe settings, skipray's version and the metric keys that it gave."""
PARENT = "mlflow.parentRunId"
RUN_COLOUR = "mlflow.runColor"
"""The colour that MLflow's pages draw a run with."""
TIME_KEY = "time.train_seconds"
"""Sent with the last epoch of every finished trial; its step tells which metrics are final."""
PROBE_TIME_KEY = "time.probe_seconds"
PROFILE_PREFIX = "profile."
"""Metrics whose step is a layer's index, not an epoch."""
OUTCOMES = ("trained", "untrained", "diverged")

LARGEST = 1e300
"""Beyond it a value is not sent: SQL stores turn +inf into 1.797e308."""


@dataclass(frozen=True)
class MetricPoint:
    """One metric value."""

    key: str
    value: float
    time_ms: int
    step: int


def list_tag(folder: str) -> str:
    """The tag of the sweep's run that holds size and sha256 of a folder's list of checksums; the root is empty."""
    return f"{ARTIFACTS}.{folder}" if folder else ARTIFACTS


def run_tags(
    trial: TrialSpec, parent_run_id: str, attempt: int, colours: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Tags of a trial's run from its start; `colours` are those of the sweep's families."""
    colour = (colours or {}).get(trial.model.architecture)
    point = {} if colour is None else {RUN_COLOUR: colour}
    if trial.phase == "tune":
        point |= {STUDY: trial.study, POINT: str(trial.point), RECIPE: canonical_json(trial.recipe.model_dump())}
    return point | {
        KIND: "trial",
        SWEEP: trial.sweep,
        TRIAL_ID: trial.trial_id,
        "skipray.architecture": trial.model.architecture,
        "skipray.depth": str(trial.model.depth),
        "skipray.seed": str(trial.seed),
        "skipray.phase": trial.phase,
        SETTING: trial.setting,
        NUMERICS: str(trial.numerics_version),
        ATTEMPT: str(attempt),
        "skipray.version": __version__,
        PARENT: parent_run_id,
    }


def result_tags(trial: TrialSpec, record: TrialRecord, attempt: int) -> dict[str, str]:
    """Tags of a finished trial's run."""
    compiling = {COMPILING: json.dumps(record.compiling, sort_keys=True)} if record.compiling else {}
    code = {CODE: record.environment["metrics"]} if "metrics" in record.environment else {}
    return compiling | {
        OUTCOME: record.outcome,
        ATTEMPT: str(attempt),
        PROBE: canonical_json(trial.probe.model_dump() | code),
        ENVIRONMENT: json.dumps(record.environment, sort_keys=True),
    }


def run_params(trial: TrialSpec) -> dict[str, str]:
    """The flat TrialSpec."""
    return {key: str(value) for key, value in trial.flat().items()}


def epoch_points(epochs: Iterable[EpochRecord]) -> tuple[list[MetricPoint], list[str]]:
    """Metrics of epochs, and the keys of those that are not finite and therefore absent."""
    points, absent = [], []
    for epoch in epochs:
        for key, value in epoch.metrics.items():
            if math.isfinite(value) and abs(value) < LARGEST:
                points.append(MetricPoint(key, float(value), epoch.time_ms, epoch.epoch))
            else:
                absent.append(key)
    return points, absent


def final_points(record: TrialRecord) -> list[MetricPoint]:
    """Layer profiles (step = layer index) and times, stamped like the last epoch so that a resend is identical."""
    last = record.epochs[-1]
    points = [
        MetricPoint(key, float(value), last.time_ms, layer)
        for key, values in record.profiles.items()
        for value, layer in zip(values, record.profile_layers.get(key, range(len(values))), strict=True)
        if math.isfinite(value) and abs(value) < LARGEST
    ]
    points.append(MetricPoint(TIME_KEY, float(record.train_seconds), last.time_ms, last.epoch))
    points.append(MetricPoint(PROBE_TIME_KEY, float(record.probe_seconds), last.time_ms, last.epoch))
    return points
