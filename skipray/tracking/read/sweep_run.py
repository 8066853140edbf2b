"""The sweep's own run, with all its tags: what holds for the sweep as a whole stands there."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from skipray.spec import SweepSpec
from skipray.tracking.address import TrackingRefused, is_sql, redact, resolve_uri
from skipray.tracking.read.tables import RUNS, TAGS, away, deleted_experiment, engine, find_experiment
from skipray.tracking.schema import KIND


@dataclass(frozen=True)
class SweepRun:
    """The run of a sweep, as the store has it."""

    run_id: str
    status: str
    """In MLflow's words."""
    start_ms: int
    artifact_uri: str
    tags: Mapping[str, str]
    experiment_id: str = ""


def sweep_status(sweep: SweepSpec, tracking_uri: str | None = None) -> str | None:
    """The status of the sweep's own run, in MLflow's words; None where there is no such run. Creates nothing."""
    found = find_sweep_run(resolve_uri(sweep, tracking_uri), sweep.name)
    return found.status if found is not None else None


def find_sweep_run(uri: str, name: str) -> SweepRun | None:
    """A sweep's run; None where there is none. Of several, which only a race makes, the oldest."""
    return next(iter(sweep_runs(uri, name)), None)


def no_sweep(uri: str, name: str) -> TrackingRefused:
    """What is raised where a store has no sweep of a name that was asked for."""
    return TrackingRefused(f"{redact(uri)}: found no sweep {name!r}; `skipray list` names those that it has")


def sweep_runs(uri: str, name: str) -> list[SweepRun]:
    """Every run of a sweep's own that is not deleted, the oldest first; more than one is damage."""
    runs = _sql_runs(uri, name) if is_sql(uri) else _http_runs(uri, name)
    return sorted(runs, key=lambda run: (run.start_ms, run.run_id))


def _sql_runs(uri: str, name: str) -> list[SweepRun]:
    experiment = find_experiment(uri, name)
    if experiment is None:
        return []
    marked = select(TAGS.c.run_uuid).where(TAGS.c.key == KIND, TAGS.c.value == "sweep")
    query = (
        select(RUNS.c.run_uuid, RUNS.c.status, RUNS.c.start_time, RUNS.c.artifact_uri, TAGS.c.key, TAGS.c.value)
        .select_from(RUNS.join(TAGS, TAGS.c.run_uuid == RUNS.c.run_uuid))
        .where(RUNS.c.experiment_id == experiment, RUNS.c.lifecycle_stage == "active", RUNS.c.run_uuid.in_(marked))
    )
    found: dict[str, SweepRun] = {}
    tags: dict[str, dict[str, str]] = {}
    try:
        with engine(uri).connect() as connection:
            for run_id, status, start, artifact_uri, key, value in connection.execute(query):
                of_run = tags.setdefault(run_id, {})
                of_run[key] = value
                found.setdefault(
                    run_id, SweepRun(run_id, status, int(start or 0), artifact_uri or "", of_run, str(experiment))
                )
    except SQLAlchemyError as error:
        raise away(uri, error) from None
    return list(found.values())


def _http_runs(uri: str, name: str) -> list[SweepRun]:
    from skipray.tracking.client import reach

    experiment = http_experiment(uri, name)
    if experiment is None:
        return []
    runs = reach(uri, lambda c: c.search_runs([experiment], f"tags.`{KIND}` = 'sweep'"))
    return [
        SweepRun(
            r.info.run_id,
            r.info.status,
            int(r.info.start_time or 0),
            r.info.artifact_uri or "",
            r.data.tags,
            experiment,
        )
        for r in runs
    ]


def deleted_sweep(uri: str, name: str) -> str | None:
    """The id of a sweep's experiment that was deleted in MLflow; None where there is none such."""
    if is_sql(uri):
        return deleted_experiment(uri, name)
    from skipray.tracking.client import reach

    found = reach(uri, lambda c: c.get_experiment_by_name(name))
    return str(found.experiment_id) if found is not None and found.lifecycle_stage == "deleted" else None


def experiment_of(uri: str, name: str) -> str | None:
    """The id of a sweep's experiment; None where there is none, or a deleted one. Creates nothing."""
    if not is_sql(uri):
        return http_experiment(uri, name)
    found = find_experiment(uri, name)
    return str(found) if found is not None else None


def http_experiment(uri: str, name: str) -> str | None:
    """The id of a sweep's experiment, through MLflow's client; None where there is none, or a deleted one."""
    from skipray.tracking.client import reach

    found = reach(uri, lambda c: c.get_experiment_by_name(name))
    return str(found.experiment_id) if found is not None and found.lifecycle_stage == "active" else None
