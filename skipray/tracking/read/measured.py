"""Metrics of winning runs, out of MLflow's tables or through its client, into columns of float64.

Linear in the number of values, with 8 bytes of memory for each that is kept: no value is a Python object of its own.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Select, select
from sqlalchemy.exc import SQLAlchemyError

from skipray.tracking.address import is_sql
from skipray.tracking.mlflow_private import all_values_of_runs, values_of_runs
from skipray.tracking.read.cache import Cache, concatenated
from skipray.tracking.read.finals import FINALS, Columns, put_run
from skipray.tracking.read.ledger import Say, http_runs
from skipray.tracking.read.row import RunRow, key_of
from skipray.tracking.read.shared_tables import HISTORIES, read_shared
from skipray.tracking.read.tables import FETCHED_ROWS, LATEST, METRICS, RUNS, TAGS, away, engine, find_experiment
from skipray.tracking.schema import ENVIRONMENT, PROFILE_PREFIX
from skipray.tracking.several import reads_at_once, several

CHUNK = 500
"""Run ids in one query: SQLite allows 999 to 32,766 parameters, depending on its version."""
WHOLE_EXPERIMENT = 0.2
"""Where more than this share of an experiment's runs is wanted, one pass over all of it is faster."""
CACHE_FROM = 200
"""Fewer runs are read anew each time: a cache file would cost more than it saves."""

BULK_RUNS = 100
BULK_VALUES = 2500
"""The most that MLflow answers: runs per request, and values per run."""
WHOLE_VALUES = 25_000
"""The most of all runs together, where it looks them up at once."""


@dataclass(frozen=True)
class WideTable:
    """Final metrics of runs; axes (runs,) in the order that was asked for."""

    environments: list[str]
    metrics: dict[str, np.ndarray] = field(default_factory=dict)
    """MLflow key -> float64, NaN where the run's last epoch has no such value."""


def read_wide(uri: str, experiment: str, runs: Sequence[RunRow], say: Say) -> WideTable:
    """Final metrics and environments of the given runs."""
    cache = Cache(uri, experiment, FINALS)
    keys = [key_of(r) for r in runs]
    cached = len(runs) >= CACHE_FROM or not is_sql(uri)
    frames, missing = cache.read(keys) if cached else ([], set(keys))
    wanted = [r for r in runs if key_of(r) in missing]
    if wanted:
        fresh = _read_sql(uri, experiment, wanted) if is_sql(uri) else _read_http(uri, experiment, wanted, say)
        if cached:
            cache.add([key_of(r) for r in wanted], fresh)
            cache.merge()
        frames.append(fresh)
    table = concatenated(frames)
    if table.empty:
        return WideTable([])
    table = table.set_index("run_id").reindex(keys)
    environments = table.pop("environment").astype(object).fillna("").tolist()
    return WideTable(environments, {str(name): table[name].to_numpy(np.float64) for name in table.columns})


def _read_sql(uri: str, experiment: str, runs: Sequence[RunRow]) -> pd.DataFrame:
    columns = Columns(runs)
    environments: dict[str, str] = {}
    latest = select(LATEST.c.run_uuid, LATEST.c.key, LATEST.c.value, LATEST.c.step).where(
        LATEST.c.is_nan.is_(False), LATEST.c.key.not_like(f"{PROFILE_PREFIX}%")
    )
    tags = select(TAGS.c.run_uuid, TAGS.c.value).where(TAGS.c.key == ENVIRONMENT)
    put = columns.put
    for rows in _pages(uri, experiment, runs, latest, LATEST):
        for run_id, key, value, step in rows:
            put(run_id, key, value, step)
    for rows in _pages(uri, experiment, runs, tags, TAGS):
        environments.update((run_id, text) for run_id, text in rows)
    return columns.frame(runs, environments)


def _pages(  # type: ignore[no-untyped-def]
    uri: str, experiment: str, runs: Sequence[RunRow], query: Select[Any], table
) -> Iterator[Sequence[Any]]:
    """The rows of a query for runs, page by page: in one pass over the experiment, or by chunks of run ids."""
    number = find_experiment(uri, experiment)
    try:
        with engine(uri).connect() as connection:
            total = connection.execute(
                select(RUNS.c.run_uuid)
                .where(RUNS.c.experiment_id == number)
                .limit(int(len(runs) / WHOLE_EXPERIMENT) + 1)
            ).fetchall()
            if len(total) <= len(runs) / WHOLE_EXPERIMENT:
                joined = query.select_from(table.join(RUNS, table.c.run_uuid == RUNS.c.run_uuid))
                queries = [joined.where(RUNS.c.experiment_id == number, RUNS.c.status == "FINISHED")]
            else:
                ids = [r.run_id for r in runs]
                queries = [query.where(table.c.run_uuid.in_(ids[i : i + CHUNK])) for i in range(0, len(ids), CHUNK)]
            for one in queries:
                result = connection.execution_options(yield_per=FETCHED_ROWS).execute(one)
                yield from result.partitions()
    except SQLAlchemyError as error:
        raise away(uri, error) from None


def _read_http(uri: str, experiment: str, runs: Sequence[RunRow], say: Say) -> pd.DataFrame:
    columns = Columns(runs)
    environments: dict[str, str] = {}
    for run in http_runs(uri, experiment, "attributes.status = 'FINISHED'", say=say):
        if run.info.run_id in columns.index:
            environments[run.info.run_id] = run.data.tags.get(ENVIRONMENT, "")
            put_run(columns, run)
    return columns.frame(runs, environments)


def read_histories_of(
    uri: str, experiment: str, runs: Sequence[RunRow], metrics: tuple[str, ...] | None, say: Say
) -> pd.DataFrame:
    """Columns trial_id, metric (categories), epoch, value of the given runs, sorted by run, metric and epoch."""
    keys = [key_of(r) for r in runs]
    table = history_rows(uri, experiment, runs, metrics, say)
    if table.empty:
        return pd.DataFrame(columns=["trial_id", "epoch", "metric", "value"])
    run = table["run_id"].astype("category")
    rank = pd.Index(keys).get_indexer(run.cat.categories)[run.cat.codes]
    metric = table["metric"].astype("category")
    words = metric.cat.categories.sort_values()
    metric = metric.cat.set_categories(words)
    order = np.lexsort((table["epoch"].to_numpy(), metric.cat.codes.to_numpy(), rank))
    return pd.DataFrame(
        {
            "trial_id": pd.Categorical.from_codes(rank[order], pd.Index([r.trial_id for r in runs])),
            "epoch": table["epoch"].to_numpy()[order],
            "metric": metric.iloc[order].array,
            "value": table["value"].to_numpy()[order],
        }
    )


def history_rows(
    uri: str, experiment: str, runs: Sequence[RunRow], metrics: tuple[str, ...] | None, say: Say
) -> pd.DataFrame:
    """Columns run_id (the cache's key), metric, epoch and value, in no order."""
    cache = Cache(uri, experiment, f"histories {metrics}")
    keys = [key_of(r) for r in runs]
    many = len(runs) >= CACHE_FROM
    frames, missing = cache.read(keys) if many else ([], set(keys))
    if many and missing:
        whole, missing = read_shared(uri, experiment, HISTORIES, missing)
        frames += whole if metrics is None else [f[f["metric"].isin(metrics)] for f in whole]
    wanted = [r for r in runs if key_of(r) in missing]
    if wanted:
        if is_sql(uri):
            fresh = _histories_sql(uri, experiment, wanted, metrics)
        else:
            fresh = _histories_http(uri, experiment, wanted, metrics, say)
        if many:
            cache.add([key_of(r) for r in wanted], fresh)
            cache.merge()
        frames.append(fresh)
    return concatenated(frames)


class _Long:
    """Rows (run, key, step, value) as typed blocks."""

    def __init__(self, runs: Sequence[RunRow]):
        self.runs = runs
        self.index = {r.run_id: i for i, r in enumerate(runs)}
        self.keys: dict[str, int] = {}
        self.blocks: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []

    def add(self, rows: Sequence[tuple[str, str, int, float]]) -> None:
        kept = [
            (i, self.keys.setdefault(key, len(self.keys)), step, value)
            for run_id, key, step, value in rows
            if (i := self.index.get(run_id)) is not None
        ]
        if kept:
            run, key, step, value = zip(*kept, strict=True)
            self.blocks.append(
                (
                    np.array(run, np.int32),
                    np.array(key, np.int32),
                    np.array(step, np.int32),
                    np.array(value, np.float64),
                )
            )

    def frame(self) -> pd.DataFrame:
        if not self.blocks:
            return pd.DataFrame(columns=["run_id", "metric", "epoch", "value"])
        run, key, step, value = (np.concatenate([b[i] for b in self.blocks]) for i in range(4))
        frame = pd.DataFrame(
            {
                "run_id": pd.Categorical.from_codes(run, pd.Index([key_of(r) for r in self.runs])),
                "metric": pd.Categorical.from_codes(key, pd.Index(list(self.keys))),
                "epoch": step,
                "value": value,
            }
        )
        # A value that was sent twice under different times counts once.
        return frame.drop_duplicates(["run_id", "metric", "epoch"], ignore_index=True)


def _histories_sql(uri: str, experiment: str, runs: Sequence[RunRow], metrics: tuple[str, ...] | None) -> pd.DataFrame:
    query = select(METRICS.c.run_uuid, METRICS.c.key, METRICS.c.step, METRICS.c.value).where(
        METRICS.c.is_nan.is_(False)
    )
    if metrics is None:
        query = query.where(METRICS.c.key.not_like(f"{PROFILE_PREFIX}%"))
    else:
        query = query.where(METRICS.c.key.in_(metrics))
    rows = _Long(runs)
    for page in _pages(uri, experiment, runs, query, METRICS):
        rows.add(page)
    return rows.frame()


def _histories_http(
    uri: str, experiment: str, runs: Sequence[RunRow], metrics: tuple[str, ...] | None, say: Say
) -> pd.DataFrame:
    rows = _Long(runs)
    ids = [row.run_id for row in runs]
    # The runs came with their last values, which are at hand: under these keys there are histories.
    keys = sorted(read_wide(uri, experiment, runs, say).metrics) if metrics is None else metrics
    asked = [(ids[start : start + BULK_RUNS], key) for start in range(0, len(ids), BULK_RUNS) for key in keys]
    found = several(lambda one: _bulk_history(uri, *one), asked, at_once=reads_at_once(uri))
    for count, of_part in enumerate(found, 1):
        rows.add(of_part)
        if count % len(keys) == 0:
            say(f"{min(count // len(keys) * BULK_RUNS, len(ids))} of {len(ids)} histories read")
    return rows.frame()


def _bulk_history(uri: str, run_ids: Sequence[str], key: str) -> list[tuple[str, str, int, float]]:
    """A metric of many runs in one request, which MLflow's client has no function for."""
    from skipray.tracking.client import reach

    whole = reach(uri, lambda _: all_values_of_runs(uri, run_ids, key, WHOLE_VALUES))
    if whole is not None:
        return [(m["run_id"], key, int(m["step"]), float(m["value"])) for m in whole]
    told = reach(uri, lambda _: values_of_runs(uri, run_ids, key, BULK_VALUES))
    found = [(m["run_id"], key, int(m.get("step", 0)), float(m["value"])) for m in told or ()]
    # A run with more values than are asked for comes with a sample of them.
    counts = Counter(run_id for run_id, *_ in found)
    for run_id in run_ids if told is None else [r for r, count in counts.items() if count >= BULK_VALUES]:
        all_of_it = reach(uri, lambda c, r=run_id: c.get_metric_history(r, key))  # type: ignore[misc]
        found = [row for row in found if row[0] != run_id] + [(run_id, key, m.step, m.value) for m in all_of_it]
    return found
