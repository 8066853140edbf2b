"""One trial's run in MLflow: found or made, filled, ended. Every step may be repeated without a trace.

Longer than other files, because the ways in which a run can be half there belong together: made without an answer,
begun by an attempt that died, begun with other probe settings, deleted by hand, ahead of the checkpoint that survived.
"""

import itertools
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from skipray.records import EpochRecord, TrialRecord
from skipray.spec import TrialSpec, canonical_json
from skipray.storage import Failure, artifacts_of
from skipray.tracking.address import Address, TrackingAway, TrackingRefused, is_sql, redact
from skipray.tracking.checksums import checksums_of
from skipray.tracking.client import reach
from skipray.tracking.files import list_files, write_files
from skipray.tracking.schema import (
    ARTIFACTS,
    ATTEMPT,
    FAILURE_CLASS,
    FAILURE_MESSAGE,
    KIND,
    OUTCOME,
    OUTCOMES,
    PARENT,
    PROFILE_PREFIX,
    TRIAL_ID,
    MetricPoint,
    epoch_points,
    final_points,
    result_tags,
    run_params,
    run_tags,
)
from skipray.tracking.write.views import NOTE, trial_note

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

T = TypeVar("T")

EVERY_EPOCH = ("train.accuracy", "train.loss")
"""Logged at every epoch, where they are finite: an accuracy always is."""
HISTORY_KEYS = 2
"""Keys whose history is read to see whether a run continues what this attempt has."""
POINTS_OF_A_REQUEST = 800
"""So many at most, with a trial's params and tags, MLflow's client sends in one request."""


@dataclass
class _Contents:
    """What a run has by now, as far as going on in it asks."""

    epochs: set[int] = field(default_factory=set)
    """That this attempt has sent."""
    params: set[str] = field(default_factory=set)
    times: dict[int, int] = field(default_factory=dict)
    """epoch -> its time, as an earlier attempt sent it."""
    failure_tags: list[str] = field(default_factory=list)
    """Of an earlier attempt's failure, which a finished run does not keep."""
    requests: int = 0
    """That held its points, each of which was taken whole or not at all."""


class TrialRun:
    """The run of a trial.

    Args:
        guard: called before each write; raises when the trial belongs to somebody else by now.
        run_id: of a run that is known to be this trial's.
        look_first: whether a run may be there already (a later attempt, or an earlier create without an answer).
    """

    def __init__(
        self,
        address: Address,
        trial: TrialSpec,
        *,
        attempt: int,
        guard: Callable[[], None],
        run_id: str | None = None,
        look_first: bool = False,
    ):
        self.address = address
        self.trial = trial
        self.attempt = attempt
        self.run_id = run_id
        self.finished = False
        """The run was found FINISHED: the trial is done."""
        self._guard = guard
        self._look_first = look_first or run_id is not None
        self._started_ms = int(time.time() * 1000)
        self._artifact_uri = ""
        self._open = False
        self._is_whole = False
        """All that the trial has to say is in the run, which may be FINISHED even where no answer said so."""
        self._has = _Contents()

    def open(self) -> None:
        """Find the trial's run, or make it."""
        if self._open:
            return
        self._guard()
        if self._look_first:
            self._find()
        if self.run_id is None:
            self._create()
        self._open = True

    @property
    def _id(self) -> str:
        assert self.run_id is not None, "open() comes first"
        return self.run_id

    def _write(self, action: Callable[["MlflowClient"], T]) -> T:
        return reach(self.address.uri, action, before=self._guard)  # a slow server may hold a try up for long

    def _create(self) -> None:
        tags = run_tags(self.trial, self.address.parent_run_id, self.attempt, dict(self.address.colours))
        tries = itertools.count()

        def create(mlflow: "MlflowClient") -> "Run":
            # After a try without an answer the run may exist all the same.
            if next(tries):
                self._find()
                if self.run_id is not None:
                    return mlflow.get_run(self.run_id)
            self._look_first = True
            return mlflow.create_run(
                self.address.experiment_id, start_time=self._started_ms, tags=tags, run_name=self.trial.label
            )

        run = self._write(create)
        self.run_id = str(run.info.run_id)
        self._artifact_uri = str(run.info.artifact_uri)

    def _find(self) -> None:
        """The newest usable run of this trial: a FINISHED one, else one that this attempt can go on with."""

        def search(mlflow: "MlflowClient") -> list["Run"]:
            # One condition: joined, a second one of tags is most of a search's time where there are many runs.
            condition = f"tags.`{TRIAL_ID}` = '{self.trial.trial_id}'"
            return list(
                mlflow.search_runs(
                    [self.address.experiment_id], condition, order_by=["attributes.start_time DESC"], max_results=20
                )
            )

        wanted = ("trial", self.address.parent_run_id)
        runs = [
            r for r in reach(self.address.uri, search) if (r.data.tags.get(KIND), r.data.tags.get(PARENT)) == wanted
        ]
        self.run_id = None
        for run in runs:
            if run.info.status == "FINISHED" and run.data.tags.get(OUTCOME) in OUTCOMES:
                self._adopt(run)
                self.finished = True
                return
        # Of the twins that a proxy made by sending a request twice, the one that something was logged on.
        for run in sorted(runs, key=lambda run: not run.data.params):
            if self._can_go_on(run):
                self._adopt(run)
                self._reopen(run)
                return

    def _adopt(self, run: "Run") -> None:
        self.run_id = str(run.info.run_id)
        self._artifact_uri = str(run.info.artifact_uri)
        self._has.params = set(run.data.params)
        self._has.failure_tags = [key for key in (FAILURE_CLASS, FAILURE_MESSAGE) if key in run.data.tags]
        self._has.times = self._history(run)
        self._has.requests = 2  # at least: of an earlier attempt, or of this one

    def _can_go_on(self, run: "Run") -> bool:
        """Params cannot change, so a run that was begun with other probe settings is left alone."""
        mine = run_params(self.trial)
        return all(mine.get(key) == value for key, value in run.data.params.items() if not key.startswith("resources."))

    def _history(self, run: "Run") -> dict[int, int]:
        known = [k for k in run.data.metrics if not k.startswith((PROFILE_PREFIX, "time."))]
        keys = [k for k in EVERY_EPOCH if k in known] or sorted(known)
        times: dict[int, int] = {}
        for key in keys[:HISTORY_KEYS]:
            for metric in reach(self.address.uri, lambda c, k=key: c.get_metric_history(run.info.run_id, k)):  # type: ignore[misc]
                times[metric.step] = metric.timestamp
        return times

    def _reopen(self, run: "Run") -> None:
        def reopen(mlflow: "MlflowClient") -> None:
            if run.info.status != "RUNNING":
                mlflow.update_run(run.info.run_id, status="RUNNING")
            mlflow.set_tag(run.info.run_id, ATTEMPT, str(self.attempt))

        self._write(reopen)

    def log_epochs(self, epochs: Iterable[EpochRecord], more: Iterable[MetricPoint] = (), **tags: str) -> list[str]:
        """Send epochs that were not sent before, in one batch with params, other points and tags.

        Returns:
            Keys of values that are not finite and were left out.
        """
        epochs = list(epochs)
        self.open()
        if any(self._has.times.get(e.epoch, e.time_ms) != e.time_ms for e in epochs):
            self._start_over()
        fresh = [e for e in epochs if e.epoch not in self._has.epochs]
        points, absent = epoch_points(fresh)
        points += more
        params = {k: v for k, v in run_params(self.trial).items() if k not in self._has.params}
        self._log(points, params, tags)
        self._has.epochs |= {e.epoch for e in fresh}
        self._has.params |= set(params)
        return absent

    def _start_over(self) -> None:
        """The run holds epochs that no checkpoint of ours remembers (it was lost or damaged), measured at other times.

        Going on in it would repeat a (key, step): it is deleted, and this attempt gets a run of its own.
        """
        old = self._id
        self._write(lambda c: c.delete_run(old))
        self.run_id, self._has, self._look_first = None, _Contents(), False
        self._create()

    def _log(self, points: Iterable[MetricPoint], params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        from mlflow.entities import Metric, Param, RunTag

        metrics = [Metric(p.key, p.value, p.time_ms, p.step) for p in points]
        self._has.requests += math.ceil(len(metrics) / POINTS_OF_A_REQUEST)
        run_id = self._id
        self._write(
            lambda c: c.log_batch(
                run_id,
                metrics=metrics,
                params=[Param(k, v) for k, v in params.items()],
                tags=[RunTag(k, v) for k, v in tags.items()],
            )
        )

    def finish(self, record: TrialRecord, artifacts: Mapping[str, bytes] | None = None) -> list[str]:
        """Send all that is missing and end the run as FINISHED, which is the last thing sent.

        Returns:
            Keys of values that are not finite and were left out.
        """
        return self._in_living_run(lambda: self._finish(record, artifacts))

    def _in_living_run(self, action: Callable[[], T]) -> T:
        """Do something; in a new run when the one at hand was deleted by somebody meanwhile."""
        had_run = self._open
        try:
            return action()
        except TrackingRefused:
            if not had_run or not self._gone():
                raise
        self.run_id, self._has, self._open, self._look_first = None, _Contents(), False, False
        return action()

    def _gone(self) -> bool:
        try:
            run = reach(self.address.uri, lambda c: c.get_run(self._id))
        except TrackingRefused:
            return True
        return bool(run.info.lifecycle_stage == "deleted")

    def _finish(self, record: TrialRecord, artifacts: Mapping[str, bytes] | None) -> list[str]:
        self.open()
        if self.finished:
            return []
        artifacts = artifacts if artifacts is not None else artifacts_of(record)
        tags = result_tags(self.trial, record, self.attempt)
        tags |= {NOTE: trial_note(self.trial, record), ARTIFACTS: checksums_of(artifacts)}
        absent = self.log_epochs(record.epochs, final_points(record), **tags)
        self._log_dataset()
        self._log_files(artifacts)
        for key in self._has.failure_tags:
            self._write(lambda c, k=key: c.delete_tag(self._id, k))  # type: ignore[misc]
        self._has.failure_tags = []
        by_server = not is_sql(self.address.uri)
        if by_server:
            self._confirm_contents(record, tags, artifacts)
        self._is_whole = True
        self._write(lambda c: c.set_terminated(self._id, "FINISHED"))
        if by_server and self._write(lambda c: c.get_run(self._id)).info.status != "FINISHED":
            raise self._not_kept()
        self.finished = True
        return absent

    def _confirm_contents(self, record: TrialRecord, tags: Mapping[str, str], artifacts: Mapping[str, bytes]) -> None:
        """Read back what a server says that it has taken, before the run is a finished one, which everybody trusts.

        Raises TrackingAway when it has not; the next delivery sends all again.
        """
        run = self._write(lambda c: c.get_run(self._id))
        kept = (
            self._has_points(run, record)
            and set(run_params(self.trial)) <= set(run.data.params)
            and tags.items() <= run.data.tags.items()
            and set(artifacts) <= set(list_files(self.address.uri, self._artifact_uri, self._id))
        )
        if not kept:
            raise self._not_kept()

    def _not_kept(self) -> TrackingAway:
        return TrackingAway(f"{redact(self.address.uri)}: the server has not kept what it said that it had taken")

    def _has_points(self, run: "Run", record: TrialRecord) -> bool:
        """Whether the run has each metric's last value; after several requests also the epochs of the metric with most.

        A request holds whole epochs, so that one that is missing is missing there.
        """
        points = [*epoch_points(record.epochs)[0], *final_points(record)]
        last = {p.key: p.value for p in sorted(points, key=lambda p: p.step)}
        if any(run.data.metrics.get(key) != value for key, value in last.items()):
            return False
        counts = Counter(p.key for p in points if not p.key.startswith(PROFILE_PREFIX))
        key = max(counts, key=counts.__getitem__, default=None)
        if key is None or self._has.requests == 1:
            return True
        history = self._write(lambda c: c.get_metric_history(self._id, key))
        return {p.step for p in points if p.key == key} <= {metric.step for metric in history}

    def fail(self, failure: Failure) -> None:
        """End the run as FAILED, with the cause in its tags and the original traceback as an artifact."""
        self._in_living_run(lambda: self._fail(failure))

    def _fail(self, failure: Failure) -> None:
        self.open()
        if self._is_whole:
            self.finished = self._write(lambda c: c.get_run(self._id)).info.status == "FINISHED"
        if self.finished:
            return
        tags = {
            OUTCOME: "failed",
            ATTEMPT: str(self.attempt),
            FAILURE_CLASS: failure.failure_class,
            FAILURE_MESSAGE: redact(failure.message)[:5000],
        }
        files = {}
        if failure.traceback:
            files[f"failures/attempt-{self.attempt:03d}.txt"] = redact(failure.traceback).encode()
            tags[ARTIFACTS] = checksums_of(files)
        self.log_epochs((), (), **tags)
        if files:
            self._log_files(files)
        self._write(lambda c: c.set_terminated(self._id, "FAILED", failure.time_ms))

    def _log_dataset(self) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        trial = self.trial
        source = canonical_json(trial.dataset.model_dump() | {"fingerprint": trial.fingerprint})
        dataset = Dataset(
            name=trial.dataset.name.replace(":", "."),
            digest=trial.fingerprint[:36],
            source_type="skipray",
            source=source,
        )
        inputs = [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])]
        self._write(lambda c: c.log_inputs(self._id, inputs))

    def _log_files(self, files: Mapping[str, bytes]) -> None:
        write_files(self.address.uri, self._artifact_uri, self._id, files, before=self._guard)
