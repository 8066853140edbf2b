"""Final metrics of finished runs, as columns; over HTTP they come with every look at the runs, and are kept."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from skipray.tracking.read.cache import Cache
from skipray.tracking.read.row import RunRow, key_of
from skipray.tracking.schema import ENVIRONMENT, PROFILE_PREFIX, TIME_KEY

if TYPE_CHECKING:
    from mlflow.entities import Run

FINALS = "trials"
"""The cache's kind of table."""
HELD_RUNS = 2000
"""A harvest holds so many runs in memory."""


class Columns:
    """Final values by run and key, grown key by key; a value counts only at its run's last epoch."""

    def __init__(self, runs: Sequence[RunRow]):
        self.index = {r.run_id: i for i, r in enumerate(runs)}
        self.count = len(runs)
        self.values: dict[str, np.ndarray] = {}
        self.steps: dict[str, np.ndarray] = {}

    def put(self, run_id: str, key: str, value: float, step: int) -> None:
        i = self.index.get(run_id)
        if i is None:
            return
        column = self.values.get(key)
        if column is None:
            column = self.values[key] = np.full(self.count, np.nan)
            self.steps[key] = np.full(self.count, -1, dtype=np.int32)
        column[i] = value
        self.steps[key][i] = step

    def frame(self, runs: Sequence[RunRow], environments: Mapping[str, str]) -> pd.DataFrame:
        columns: dict[str, object] = {
            "run_id": [key_of(r) for r in runs],
            "environment": pd.Categorical([environments.get(r.run_id, "") for r in runs]),
        }
        last = self.steps.get(TIME_KEY, np.full(self.count, -1, dtype=np.int32))
        for key in sorted(self.values):
            columns[key] = np.where(self.steps[key] == last, self.values[key], np.nan)
        return pd.DataFrame(columns)


def put_run(columns: Columns, run: "Run") -> None:
    """The metrics of a run of MLflow's client."""
    for metric in run.data.to_proto().metrics:  # `run.data.metrics` has no steps
        if not metric.key.startswith(PROFILE_PREFIX):
            columns.put(run.info.run_id, metric.key, metric.value, metric.step)


class Harvest:
    """Puts the final metrics of finished runs into the cache while the runs are looked at for something else.

    MLflow's interface gives a run with all that was logged or not at all: without this, reading a sweep back would ask
    for everything twice.
    """

    def __init__(self, uri: str, experiment: str):
        self.cache = Cache(uri, experiment, FINALS)
        self.have = self.cache.run_ids()
        self.held: list[tuple[RunRow, Run]] = []

    def add(self, row: RunRow, run: "Run") -> None:
        if row.is_finished and key_of(row) not in self.have:
            self.held.append((row, run))
            if len(self.held) == HELD_RUNS:
                self._write()

    def keep(self) -> None:
        """At the end."""
        if self.held:
            self._write()
            self.cache.merge()

    def _write(self) -> None:
        rows = [row for row, _ in self.held]
        columns = Columns(rows)
        for _, run in self.held:
            put_run(columns, run)
        environments = {run.info.run_id: run.data.tags.get(ENVIRONMENT, "") for _, run in self.held}
        self.cache.add([key_of(row) for row in rows], columns.frame(rows, environments))
        self.held = []
