"""A sweep that a store holds and that is not found under its name: what somebody has deleted or renamed in MLflow."""

import shlex
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from skipray.tracking.address import is_sql, redact
from skipray.tracking.read.sweep_run import deleted_sweep, experiment_of, sweep_runs
from skipray.tracking.read.sweeps import renamed_sweeps
from skipray.tracking.read.tables import RUNS, TAGS, away, engine
from skipray.tracking.schema import KIND, PARENT

if TYPE_CHECKING:
    from mlflow.entities import Run


@dataclass(frozen=True)
class Gone:
    """Why nothing of a sweep would be found, and what undoes it."""

    how: Literal["experiment deleted", "experiment renamed", "run deleted"]
    key: str
    """The id of the experiment, or of the run."""
    what: str
    """In plain words."""
    undo: str
    """MLflow's command that undoes it, and what else may be done, in plain words."""

    def __str__(self) -> str:
        return f"{self.what}; {self.undo}"


def gone(uri: str, name: str) -> Gone | None:
    """What has happened to a sweep that is not found under its name although the store holds its runs; None where it is
    found, or where nothing is held of it."""
    if experiment_of(uri, name) is not None:
        return None if sweep_runs(uri, name) else _run_deleted(uri, name)
    store = f"MLFLOW_TRACKING_URI={shlex.quote(redact(uri))}"
    deleted = deleted_sweep(uri, name)
    if deleted is not None:
        command = f"`{store} mlflow experiments restore -x {deleted}`"
        undo = f"{command} restores it with its runs, `mlflow gc` removes it for good"
        return Gone("experiment deleted", deleted, f"experiment {name} was deleted in MLflow", undo)
    now = renamed_sweeps(uri).get(name)
    if now is None:
        return None
    back = f"`{store} mlflow experiments rename -x {now.experiment_id} --new-name {shlex.quote(name)}`"
    return Gone(
        "experiment renamed",
        now.experiment_id,
        f"the experiment of the sweep {name} was renamed to {now.name!r} in MLflow",
        f"{back} names it back, and another `name:` in its file makes it another sweep",
    )


def _run_deleted(uri: str, name: str) -> Gone | None:
    """The sweep's own run that was deleted, while runs of trials are still under it."""
    under = stray_runs(uri, name, "")
    if not under:
        return None
    run_id = max(under, key=lambda run: len(under[run]))
    command = f"`MLFLOW_TRACKING_URI={shlex.quote(redact(uri))} mlflow runs restore --run-id {run_id}`"
    count = len(under[run_id])
    return Gone(
        "run deleted",
        run_id,
        f"the sweep's own run of {name}, above {count} of its trials' runs, was deleted in MLflow",
        f"{command} restores it",
    )


def stray_runs(uri: str, name: str, run_id: str) -> dict[str, list[str]]:
    """Runs of the sweep's own, deleted ones too, -> ids of the trials' runs under them; without the sweep's run that
    there is now, and without runs that have none under them.

    Args:
        run_id: the sweep's run that there is now; empty where there is none.
    """
    experiment = experiment_of(uri, name)
    if experiment is None:
        return {}
    own = _own_runs(uri, experiment) - {run_id}
    found = {parent: _under(uri, experiment, parent) for parent in sorted(own)}
    return {parent: runs for parent, runs in found.items() if runs}


def _own_runs(uri: str, experiment: str) -> set[str]:
    if not is_sql(uri):
        return _http_runs(uri, experiment, f"tags.`{KIND}` = 'sweep'", deleted=True)
    return _sql_runs(uri, experiment, KIND, ["sweep"], ("active", "deleted"))


def _under(uri: str, experiment: str, parent: str) -> list[str]:
    if not is_sql(uri):
        return sorted(_http_runs(uri, experiment, f"tags.`{PARENT}` = '{parent}' AND tags.`{KIND}` = 'trial'"))
    trials = _sql_runs(uri, experiment, KIND, ["trial"], ("active",))
    return sorted(trials & _sql_runs(uri, experiment, PARENT, [parent], ("active",)))


def _sql_runs(uri: str, experiment: str, key: str, values: Collection[str], stages: Collection[str]) -> set[str]:
    query = (
        select(RUNS.c.run_uuid)
        .select_from(RUNS.join(TAGS, TAGS.c.run_uuid == RUNS.c.run_uuid))
        .where(RUNS.c.experiment_id == int(experiment), RUNS.c.lifecycle_stage.in_(stages))
        .where(TAGS.c.key == key, TAGS.c.value.in_(values))
    )
    try:
        with engine(uri).connect() as connection:
            return {str(run) for run in connection.execute(query).scalars()}
    except SQLAlchemyError as error:
        raise away(uri, error) from None


def _http_runs(uri: str, experiment: str, condition: str, *, deleted: bool = False) -> set[str]:
    from mlflow.entities import ViewType

    from skipray.tracking.client import reach

    view = ViewType.ALL if deleted else ViewType.ACTIVE_ONLY
    found: set[str] = set()
    token: str | None = None
    while True:
        page: list[Run] = reach(
            uri,
            lambda c, t=token: c.search_runs([experiment], condition, run_view_type=view, page_token=t),  # type: ignore[misc]
        )
        found |= {run.info.run_id for run in page}
        token = page.token  # type: ignore[attr-defined]
        if not token:
            return found
