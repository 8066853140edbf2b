"""Params of runs: what each trial was, as its run says, in texts."""

from collections.abc import Set as AbstractSet

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from skipray.tracking.address import is_sql
from skipray.tracking.read.ledger import http_runs
from skipray.tracking.read.tables import FETCHED_ROWS, PARAMS, RUNS, away, engine, find_experiment


def params_of(uri: str, experiment_name: str, run_ids: AbstractSet[str]) -> dict[str, dict[str, str]]:
    """run_id -> param -> text, of the given runs."""
    if not is_sql(uri):
        runs = http_runs(uri, experiment_name)
        return {r.info.run_id: dict(r.data.params) for r in runs if r.info.run_id in run_ids}
    experiment = find_experiment(uri, experiment_name)
    query = (
        select(PARAMS.c.run_uuid, PARAMS.c.key, PARAMS.c.value)
        .select_from(PARAMS.join(RUNS, PARAMS.c.run_uuid == RUNS.c.run_uuid))
        .where(RUNS.c.experiment_id == experiment, RUNS.c.lifecycle_stage == "active")
    )
    found: dict[str, dict[str, str]] = {}
    try:
        with engine(uri).connect().execution_options(yield_per=FETCHED_ROWS) as connection:
            for page in connection.execute(query).partitions():
                for run_id, key, value in page:
                    if run_id in run_ids:
                        found.setdefault(run_id, {})[key] = value
    except SQLAlchemyError as error:
        raise away(uri, error) from None
    return found
