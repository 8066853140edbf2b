"""What is finished, running and failed, as the tracking store has it: the store is the ledger.

A trial is finished when a child run with its trial_id is FINISHED and says how it ended; that status is the last thing
a worker sends, after metrics and artifacts.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from skipray.spec import SweepSpec, TrialSpec
from skipray.tracking.address import TrackingAway, TrackingRefused, is_sql, resolve_uri
from skipray.tracking.read.finals import Harvest
from skipray.tracking.read.former import aliases, renamed
from skipray.tracking.read.look import look
from skipray.tracking.read.pages import Page, found_runs
from skipray.tracking.read.row import ROW_TAGS, RunRow, made_row, row_of
from skipray.tracking.read.sweep_run import experiment_of, http_experiment
from skipray.tracking.read.tables import FETCHED_ROWS, RUNS, TAGS, away, engine, find_experiment
from skipray.tracking.schema import KIND

if TYPE_CHECKING:
    from mlflow.entities import Run

ORDER = ["attributes.start_time ASC"]
"""MLflow's stores order runs that began at the same time by their ids."""
QUICK_RUNS = 500
"""Read within a few seconds over HTTP: nothing need be said."""

Say = Callable[[str], None]


def silent(text: str) -> None:
    """Says nothing."""


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
    return experiment_of(resolve_uri(sweep, tracking_uri), sweep.name) is not None


def read_ledger(
    sweep: SweepSpec,
    tracking_uri: str | None = None,
    *,
    trials: Iterable[TrialSpec] | None = None,
    say: Say = silent,
) -> Ledger:
    """What the store knows of a sweep's trials.

    Args:
        trials: those to look for; the sweep's own when left out.
        say: told about progress over HTTP.
    """
    trials = sweep.trials() if trials is None else tuple(trials)
    uri = resolve_uri(sweep, tracking_uri)
    wanted = {trial.trial_id for trial in trials}
    rows = renamed(child_runs(uri, sweep.name, say), aliases(sweep, uri, trials))
    return ledger_of(row for row in rows if row.trial_id in wanted)


def ledger_of(rows: Iterable[RunRow]) -> Ledger:
    """Rows of child runs, sorted into one per trial."""
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


def child_runs(uri: str, experiment_name: str, say: Say = silent) -> Iterator[RunRow]:
    """Every trial's run of an experiment that is not deleted."""
    if not is_sql(uri):
        seen, what = look(), (uri, experiment_name)
        if what not in seen.rows:
            told = seen.say if say is silent else say
            seen.rows[what] = tuple(_http_rows(uri, experiment_name, told))
        yield from seen.rows[what]
        return
    experiment = find_experiment(uri, experiment_name)
    if experiment is not None:
        yield from _sql_runs(uri, experiment)


def _http_rows(uri: str, experiment_name: str, say: Say) -> Iterator[RunRow]:
    harvest = Harvest(uri, experiment_name)
    for run in http_runs(uri, experiment_name, say=say):
        made = row_of(run)
        harvest.add(made, run)
        yield made
    harvest.keep()


def _sql_runs(uri: str, experiment: int) -> Iterator[RunRow]:
    # A look-up a tag, by the table's own key: joined, the rows of tags outnumber the runs several times.
    tags = [
        select(TAGS.c.value).where(TAGS.c.run_uuid == RUNS.c.run_uuid, TAGS.c.key == key).scalar_subquery()
        for key in ROW_TAGS
    ]
    query = select(
        RUNS.c.run_uuid, RUNS.c.status, RUNS.c.start_time, RUNS.c.end_time, RUNS.c.artifact_uri, *tags
    ).where(RUNS.c.experiment_id == experiment, RUNS.c.lifecycle_stage == "active")
    try:
        with engine(uri).connect().execution_options(yield_per=FETCHED_ROWS) as connection:
            for page in connection.execute(query).partitions():
                for run_id, status, start, end, artifact_uri, *values in page:
                    if values[0] is not None:
                        yield made_row(run_id, status, start, end, artifact_uri, values)
    except SQLAlchemyError as error:
        raise away(uri, error) from None


def http_runs(
    uri: str,
    experiment_name: str,
    condition: str = "",
    *,
    say: Say = silent,
) -> "Iterator[Run]":
    """The children of an experiment through MLflow's client, page by page; they come with all that was logged."""
    from skipray.tracking.client import reach

    experiment = http_experiment(uri, experiment_name)
    if experiment is None:
        return
    text = f"tags.`{KIND}` = 'trial'" + (f" AND {condition}" if condition else "")

    def search(token: str | None, most: int) -> Page:
        return reach(
            uri, lambda c: c.search_runs([experiment], text, max_results=most, page_token=token, order_by=ORDER)
        )

    def search_ahead(token: str, most: int) -> Page | None:
        from mlflow import MlflowClient

        # Of MLflow itself: past the end there is nothing, which `WholeAnswers` would not believe.
        asked = partial(MlflowClient.search_runs, max_results=most, page_token=token, order_by=ORDER)
        try:
            return reach(uri, lambda c: asked(c, [experiment], text), retries=())
        except (TrackingAway, TrackingRefused):
            return None

    count = 0
    for page in found_runs(search, search_ahead):
        if count >= QUICK_RUNS:
            say(f"{count} runs read")
        yield from page
        count += len(page)
