"""Which sweeps a tracking store holds."""

from sqlalchemy import column, select, table
from sqlalchemy.exc import SQLAlchemyError

from skipray.tracking.address import is_sql, resolve_uri, sqlite_path
from skipray.tracking.read.tables import EXPERIMENTS, away, engine
from skipray.tracking.schema import SWEEP

EXPERIMENT_TAGS = table("experiment_tags", column("experiment_id"), column("key"), column("value"))


def tracked_sweeps(tracking_uri: str | None = None) -> list[str]:
    """The names of the sweeps in a store, sorted. Creates nothing: a store that is not there has none.

    Raises:
        TrackingAway: the store cannot be reached.
    """
    uri = resolve_uri(None, tracking_uri)
    return sorted(_from_sql(uri) if is_sql(uri) else http_sweeps(uri).values())


def _from_sql(uri: str) -> list[str]:
    path = sqlite_path(uri)
    if path is not None and not path.exists():
        return []
    query = (
        select(EXPERIMENTS.c.name)
        .select_from(EXPERIMENTS.join(EXPERIMENT_TAGS, EXPERIMENT_TAGS.c.experiment_id == EXPERIMENTS.c.experiment_id))
        .where(EXPERIMENTS.c.lifecycle_stage == "active", EXPERIMENT_TAGS.c.key == SWEEP)
    )
    try:
        with engine(uri).connect() as connection:
            if not engine(uri).dialect.has_table(connection, "experiment_tags"):
                return []
            return [str(name) for name in connection.execute(query).scalars()]
    except SQLAlchemyError as error:
        raise away(uri, error) from None


def http_sweeps(uri: str) -> dict[str, str]:
    """Experiment id -> name of a server's sweeps, through MLflow's client."""
    from skipray.tracking.client import reach

    found: dict[str, str] = {}
    token: str | None = None
    while True:
        page = reach(uri, lambda c, token=token: c.search_experiments(page_token=token))  # type: ignore[misc]
        found |= {str(e.experiment_id): e.name for e in page if SWEEP in e.tags}
        token = page.token
        if not token:
            return found
