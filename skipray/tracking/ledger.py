"""What is finished, running and failed, as the tracking store has it: the store is the ledger.

A trial is finished when a child run with its trial_id is FINISHED and says how it ended; that status is the last thing
a worker sends, after metrics and artifacts.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from skipray.spec import SweepSpec, TrialSpec
from skipray.storage import living_launch
from skipray.tracking.address import is_sql, resolve_uri, storage_url
from skipray.tracking.schema import (
    ATTEMPT,
    FAILURE_CLASS,
    FAILURE_MESSAGE,
    KIND,
    MEASURED,
    OUTCOME,
    OUTCOMES,
    POINT,
    PROBE,
    RECIPE,
    STUDY,
    TRIAL_ID,
)
from skipray.tracking.tables import FETCHED_ROWS, RUNS, TAGS, away, engine, find_experiment

if TYPE_CHECKING:
    from mlflow.entities import Run

State = Literal["finished", "running", "failed", "missing"]
PAGE = 200
"""Runs asked for at a time over HTTP: they come with all that was logged, and a server must answer in time."""
_TAGS = (TRIAL_ID, OUTCOME, ATTEMPT, FAILURE_CLASS, FAILURE_MESSAGE, PROBE, STUDY, POINT, RECIPE, MEASURED)


@dataclass(frozen=True)
class RunRow:
    """One child run, without its metrics."""

    run_id: str
    trial_id: str
    status: str
    """MLflow's: RUNNING, FINISHED, FAILED, KILLED, SCHEDULED."""
    start_ms: int
    end_ms: int | None
    outcome: str | None
    attempt: int
    failure_class: str | None
    failure_message: str | None
    artifact_uri: str
    probe: str | None
    """Canonical JSON of the probe settings that a finished run was measured with."""
    study: str | None = None
    """Of a tuning trial, as the next two: the study's key, the point's number, canonical JSON of the recipe."""
    point: int | None = None
    recipe: str | None = None
    measured: tuple[str, ...] = ()
    """Names of the measurements that were added after the run's end, oldest first."""

    @property
    def is_finished(self) -> bool:
        return self.status == "FINISHED" and self.outcome in OUTCOMES


@dataclass(frozen=True)
class Ledger:
    """The runs of a sweep's trials, one each."""

    finished: dict[str, RunRow]
    """trial_id -> the winning run: the first FINISHED one by end time, then by run id."""
    running: dict[str, RunRow]
    """Neither finished nor failed. What they are doing now only the storage's lease can tell."""
    failed: dict[str, RunRow]
    """With the cause in failure_class and failure_message."""

    def run_id(self, trial_id: str) -> str | None:
        """The run that a next attempt should go on with."""
        row = self.running.get(trial_id) or self.failed.get(trial_id)
        return row.run_id if row is not None else None


def exists(sweep: SweepSpec, tracking_uri: str | None = None) -> bool:
    """Whether anything was tracked of this sweep. Creates nothing."""
    uri = resolve_uri(sweep, tracking_uri)
    if is_sql(uri):
        return find_experiment(uri, sweep.name) is not None
    return _http_experiment(uri, sweep.name) is not None


def sweep_status(sweep: SweepSpec, tracking_uri: str | None = None) -> str | None:
    """The status of the sweep's own run, in MLflow's words; None where there is no such run. Creates nothing."""
    uri = resolve_uri(sweep, tracking_uri)
    if not is_sql(uri):
        return _http_sweep_status(uri, sweep.name)
    experiment = find_experiment(uri, sweep.name)
    if experiment is None:
        return None
    query = (
        select(RUNS.c.status)
        .select_from(RUNS.join(TAGS, TAGS.c.run_uuid == RUNS.c.run_uuid))
        .where(RUNS.c.experiment_id == experiment, RUNS.c.lifecycle_stage == "active")
        .where(TAGS.c.key == KIND, TAGS.c.value == "sweep")
        .order_by(RUNS.c.start_time)
        .limit(1)
    )
    try:
        with engine(uri).connect() as connection:
            found = connection.execute(query).scalar()
    except SQLAlchemyError as error:
        raise away(uri, error) from None
    return str(found) if found is not None else None


def _http_sweep_status(uri: str, name: str) -> str | None:
    from skipray.tracking.client import reach

    experiment = _http_experiment(uri, name)
    if experiment is None:
        return None
    oldest = ["attributes.start_time ASC"]
    runs = reach(uri, lambda c: c.search_runs([experiment], f"tags.`{KIND}` = 'sweep'", order_by=oldest, max_results=1))
    return str(runs[0].info.status) if runs else None


def read_ledger(
    sweep: SweepSpec, tracking_uri: str | None = None, *, trials: Iterable[TrialSpec] | None = None
) -> Ledger:
    """What the store knows of a sweep's trials.

    Args:
        trials: those to look for; the sweep's own when left out.
    """
    wanted = {trial.trial_id for trial in (sweep.trials() if trials is None else trials)}
    return ledger_of(row for row in child_runs(resolve_uri(sweep, tracking_uri), sweep.name) if row.trial_id in wanted)


def ledger_of(rows: Iterable[RunRow]) -> Ledger:
    """Rows of child runs, sorted into one a trial."""
    finished: dict[str, RunRow] = {}
    running: dict[str, RunRow] = {}
    failed: dict[str, RunRow] = {}
    for row in rows:
        if row.is_finished:
            best = finished.get(row.trial_id)
            if best is None or _end_order(row) < _end_order(best):
                finished[row.trial_id] = row
        else:
            of_kind = failed if row.status == "FAILED" else running
            other = of_kind.get(row.trial_id)
            if other is None or (row.start_ms, row.run_id) > (other.start_ms, other.run_id):
                of_kind[row.trial_id] = row
    return Ledger(
        finished,
        {i: r for i, r in running.items() if i not in finished},
        {i: r for i, r in failed.items() if i not in finished and i not in running},
    )


def _end_order(row: RunRow) -> tuple[int, str]:
    return (row.end_ms if row.end_ms is not None else 2**62, row.run_id)


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
        from skipray.tracking.known import known_trials  # which reads this module

        trials = known_trials(sweep, tracking_uri).trials
    ledger = ledger or read_ledger(sweep, tracking_uri, trials=trials)
    found: dict[str, State] = dict.fromkeys(ledger.finished, "finished")
    found |= dict.fromkeys(ledger.failed, "failed")
    active = [i for i, row in ledger.running.items() if row.status == "RUNNING"]
    if active and living_launch(storage_url(sweep, tracking_uri), sweep.name) is not None:
        found |= dict.fromkeys(active, "running")
    return found


def child_runs(uri: str, experiment_name: str) -> Iterator[RunRow]:
    """Every trial's run of an experiment that is not deleted."""
    if not is_sql(uri):
        for run in http_runs(uri, experiment_name):
            yield row_of(run)
        return
    experiment = find_experiment(uri, experiment_name)
    if experiment is not None:
        yield from _sql_runs(uri, experiment)


def _sql_runs(uri: str, experiment: int) -> Iterator[RunRow]:
    of_experiment = (RUNS.c.experiment_id == experiment, RUNS.c.lifecycle_stage == "active")
    runs_query = select(RUNS.c.run_uuid, RUNS.c.status, RUNS.c.start_time, RUNS.c.end_time, RUNS.c.artifact_uri).where(
        *of_experiment
    )
    tags_query = (
        select(TAGS.c.run_uuid, TAGS.c.key, TAGS.c.value)
        .select_from(TAGS.join(RUNS, TAGS.c.run_uuid == RUNS.c.run_uuid))
        .where(*of_experiment, TAGS.c.key.in_(_TAGS))
    )
    tags: dict[str, dict[str, str]] = {}
    try:
        with engine(uri).connect().execution_options(yield_per=FETCHED_ROWS) as connection:
            for run_id, key, value in connection.execute(tags_query):
                tags.setdefault(run_id, {})[key] = value
            rows = connection.execute(runs_query)
            for run_id, status, start, end, artifact_uri in rows:
                of_run = tags.pop(run_id, None)
                if of_run is not None and TRIAL_ID in of_run:
                    yield _row(run_id, status, start, end, artifact_uri, of_run)
    except SQLAlchemyError as error:
        raise away(uri, error) from None


def http_runs(
    uri: str,
    experiment_name: str,
    condition: str = "",
    *,
    say: Callable[[str], None] = lambda text: None,
) -> "Iterator[Run]":
    """The children of an experiment through MLflow's client, page by page; they come with all that was logged."""
    from skipray.tracking.client import reach

    experiment = _http_experiment(uri, experiment_name)
    if experiment is None:
        return
    text = f"tags.`{KIND}` = 'trial'" + (f" AND {condition}" if condition else "")
    token: str | None = None
    count = 0
    while True:
        page = reach(
            uri,
            lambda c, token=token: c.search_runs(  # type: ignore[misc]
                [experiment], text, max_results=PAGE, page_token=token, order_by=["attributes.start_time ASC"]
            ),
        )
        yield from page
        count += len(page)
        token = page.token
        if not token:
            return
        say(f"{count} runs read")


def _http_experiment(uri: str, name: str) -> str | None:
    from skipray.tracking.client import reach

    found = reach(uri, lambda c: c.get_experiment_by_name(name))
    return str(found.experiment_id) if found is not None and found.lifecycle_stage == "active" else None


def row_of(run: "Run") -> RunRow:
    """A run of MLflow's client as a row."""
    info = run.info
    return _row(info.run_id, info.status, info.start_time, info.end_time, info.artifact_uri, run.data.tags)


def _row(
    run_id: str, status: str, start: int | None, end: int | None, artifact_uri: str | None, tags: dict[str, str]
) -> RunRow:
    return RunRow(
        run_id,
        tags.get(TRIAL_ID, ""),
        status,
        int(start or 0),
        int(end) if end is not None else None,
        tags.get(OUTCOME),
        int(tags.get(ATTEMPT) or 1),
        tags.get(FAILURE_CLASS) or None,
        tags.get(FAILURE_MESSAGE) or None,
        artifact_uri or "",
        tags.get(PROBE),
        tags.get(STUDY),
        int(tags[POINT]) if tags.get(POINT) else None,
        tags.get(RECIPE),
        tuple(name for name in tags.get(MEASURED, "").split(",") if name),
    )
