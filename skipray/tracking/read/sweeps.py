"""Which sweeps a tracking store holds."""

from dataclasses import dataclass

from sqlalchemy import column, select, table
from sqlalchemy.exc import SQLAlchemyError

from skipray.tracking.address import is_sql, resolve_uri, sqlite_path
from skipray.tracking.read.tables import EXPERIMENTS, away, engine
from skipray.tracking.schema import SWEEP

EXPERIMENT_TAGS = table("experiment_tags", column("experiment_id"), column("key"), column("value"))


@dataclass(frozen=True)
class TrackedSweep:
    """The experiment of a sweep."""

    experiment_id: str
    name: str
    """Today's, which can be changed in MLflow."""
    sweep: str
    """The sweep's name, which its experiment is found by."""


def tracked_sweeps(tracking_uri: str | None = None) -> list[str]:
    """The names of the sweeps in a store, sorted; without those of `renamed_sweeps`. Creates nothing: a store that is
    not there has none.

    Raises:
        TrackingAway: the store cannot be reached.
    """
    return sorted(each.name for each in _tracked(resolve_uri(None, tracking_uri)) if each.name == each.sweep)


def renamed_sweeps(tracking_uri: str | None = None) -> dict[str, TrackedSweep]:
    """Sweep -> its experiment, of those that are not found: their experiment was renamed in MLflow, and there is no
    other of the sweep's name.

    Raises:
        TrackingAway: the store cannot be reached.
    """
    tracked = _tracked(resolve_uri(None, tracking_uri))
    names = {each.name for each in tracked}
    return {each.sweep: each for each in tracked if each.sweep not in names}


def _tracked(uri: str) -> list[TrackedSweep]:
    found = _from_sql(uri) if is_sql(uri) else _from_server(uri)
    return sorted(found, key=lambda each: int(each.experiment_id))


def _from_sql(uri: str) -> list[TrackedSweep]:
    path = sqlite_path(uri)
    if path is not None and not path.exists():
        return []
    query = (
        select(EXPERIMENTS.c.experiment_id, EXPERIMENTS.c.name, EXPERIMENT_TAGS.c.value)
        .select_from(EXPERIMENTS.join(EXPERIMENT_TAGS, EXPERIMENT_TAGS.c.experiment_id == EXPERIMENTS.c.experiment_id))
        .where(EXPERIMENTS.c.lifecycle_stage == "active", EXPERIMENT_TAGS.c.key == SWEEP)
    )
    try:
        with engine(uri).connect() as connection:
            if not engine(uri).dialect.has_table(connection, "experiment_tags"):
                return []
            return [TrackedSweep(*map(str, row)) for row in connection.execute(query)]
    except SQLAlchemyError as error:
        raise away(uri, error) from None


def http_sweeps(uri: str) -> dict[str, str]:
    """Experiment id -> name of a server's sweeps, through MLflow's client."""
    return {each.experiment_id: each.name for each in _from_server(uri)}


def _from_server(uri: str) -> list[TrackedSweep]:
    from skipray.tracking.client import reach

    found: list[TrackedSweep] = []
    token: str | None = None
    while True:
        page = reach(uri, lambda c, token=token: c.search_experiments(page_token=token))  # type: ignore[misc]
        found += [TrackedSweep(str(e.experiment_id), e.name, e.tags[SWEEP]) for e in page if SWEEP in e.tags]
        token = page.token
        if not token:
            return found
