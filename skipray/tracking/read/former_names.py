"""Sweeps of other names whose finished trials are this one's: a sweep that was renamed runs everything again."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from skipray.spec import SweepSpec
from skipray.tracking.address import is_sql, resolve_uri, sqlite_path
from skipray.tracking.read.ledger import child_runs
from skipray.tracking.read.sweeps import http_sweeps
from skipray.tracking.read.tables import EXPERIMENTS, RUNS, TAGS, away, engine
from skipray.tracking.schema import TRIAL_ID


def finished_elsewhere(sweep: SweepSpec, tracking_uri: str | None) -> list[str]:
    """A sentence for each sweep of another name that has finished trials of this one, which has none yet.

    Sweeps are looked for by this one's first and last trial; of an adaptive sweep, which follows from its results,
    nothing is said.
    """
    uri = resolve_uri(sweep, tracking_uri)
    trials = () if sweep.adaptive is not None else sweep.trials()
    if not trials:
        return []
    known, sentences = {t.trial_id for t in trials}, []
    at_the_ends = list(dict.fromkeys([trials[0].trial_id, trials[-1].trial_id]))
    for name in sorted(set(_with_one_of(uri, at_the_ends)) - {sweep.name}):
        count = len({row.trial_id for row in child_runs(uri, name) if row.is_finished} & known)
        if count:
            sentences.append(
                f"{count} of its {len(known)} trials are finished as those of the sweep {name}; a sweep goes on by its "
                f"name, and {sweep.name} runs them again"
            )
    return sentences


def _with_one_of(uri: str, trial_ids: Sequence[str]) -> list[str]:
    """The names of experiments that hold a run of one of these trials."""
    if not is_sql(uri):
        return _on_server(uri, trial_ids)
    path = sqlite_path(uri)
    if path is not None and not path.exists():
        return []
    query = (
        select(EXPERIMENTS.c.name)
        .select_from(
            EXPERIMENTS.join(RUNS, RUNS.c.experiment_id == EXPERIMENTS.c.experiment_id).join(
                TAGS, TAGS.c.run_uuid == RUNS.c.run_uuid
            )
        )
        .where(TAGS.c.key == TRIAL_ID, TAGS.c.value.in_(trial_ids))
        .where(RUNS.c.lifecycle_stage == "active", EXPERIMENTS.c.lifecycle_stage == "active")
        .distinct()
    )
    try:
        with engine(uri).connect() as connection:
            if not engine(uri).dialect.has_table(connection, "tags"):
                return []
            return [str(name) for name in connection.execute(query).scalars()]
    except SQLAlchemyError as error:
        raise away(uri, error) from None


def _on_server(uri: str, trial_ids: Sequence[str]) -> list[str]:
    from skipray.tracking.client import reach

    names = http_sweeps(uri)
    found = [
        run
        for trial_id in trial_ids if names
        for run in reach(uri, lambda c, i=trial_id: c.search_runs(list(names), f"tags.`{TRIAL_ID}` = '{i}'"))  # type: ignore[misc]
    ]  # fmt: skip
    return [names[run.info.experiment_id] for run in found]
