"""What the tracking store holds, asked of PostgreSQL itself, and what skipray reads back of it."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from skipray import tracking
from skipray.spec import load_sweep

VARIES = ("_seconds", "_bytes")


class Database:
    """MLflow's PostgreSQL, read directly: it answers while the MLflow server is away."""

    def __init__(self, socket_folder: str):
        self._socket_folder = socket_folder

    def _ask(self, text: str, *values: object) -> list[tuple]:
        import psycopg2

        connection = psycopg2.connect(host=self._socket_folder, user="skipray", dbname="postgres")
        try:
            with connection.cursor() as cursor:
                cursor.execute(text, values)
                return cursor.fetchall()
        finally:
            connection.close()

    def trial_runs(self, sweep: str) -> list[tuple[str, str, str]]:
        """(trial_id, status, run) of each trial's run of a sweep that is not deleted."""
        return self._ask(
            "select t.value, r.status, r.run_uuid from runs r join experiments e using (experiment_id) "
            "join tags t on t.run_uuid = r.run_uuid and t.key = 'skipray.trial_id' "
            "where e.name = %s and r.lifecycle_stage = 'active'",
            sweep,
        )

    def sweep_status(self, sweep: str) -> list[str]:
        """The status of each of a sweep's own runs: there must be one."""
        rows = self._ask(
            "select r.status from runs r join experiments e using (experiment_id) join tags t on t.run_uuid = "
            "r.run_uuid and t.key = 'skipray.kind' and t.value = 'sweep' where e.name = %s and "
            "r.lifecycle_stage = 'active'",
            sweep,
        )
        return [status for (status,) in rows]

    def finished(self, sweep: str) -> int:
        return sum(status == "FINISHED" for _, status, _ in self.trial_runs(sweep))

    def repeated_points(self, sweep: str) -> int:
        """How many (run, key, step) of a sweep's active runs were logged more than once."""
        ((count,),) = self._ask(
            "select count(*) from (select 1 from metrics m join runs r using (run_uuid) "
            "join experiments e using (experiment_id) where e.name = %s and r.lifecycle_stage = 'active' "
            "group by m.run_uuid, m.key, m.step having count(*) > 1) repeated",
            sweep,
        )
        return count

    def last_written_ms(self, sweep: str) -> tuple[int, int]:
        """(points logged, runs ended) of a sweep so far: grows whenever the store takes something."""
        ((points,),) = self._ask(
            "select count(*) from metrics m join runs r using (run_uuid) join experiments e using (experiment_id) "
            "where e.name = %s",
            sweep,
        )
        return points, self.finished(sweep)


@dataclass(frozen=True)
class Values:
    """What is read back of a sweep, apart from what may differ: seconds, sizes, attempts."""

    trials: pd.DataFrame
    histories: pd.DataFrame
    layers: pd.DataFrame

    def of(self, trial_ids: set[str]) -> "Values":
        return Values(*(f[f["trial_id"].isin(trial_ids)].reset_index(drop=True) for f in self._frames()))

    def differing(self, other: "Values") -> dict[str, str]:
        """trial_id -> a column in which its values are not the same, bit for bit."""
        wrong: dict[str, str] = {}
        for mine, theirs in zip(self._frames(), other._frames(), strict=True):
            columns = sorted(set(mine.columns) | set(theirs.columns))
            for trial_id in sorted(set(mine["trial_id"]) | set(theirs["trial_id"])):
                a, b = (_rows(f, trial_id, columns) for f in (mine, theirs))
                if not a.equals(b):
                    wrong[trial_id] = next((c for c in columns if not a[c].equals(b[c])), "the number of rows")
        return wrong

    def _frames(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        return self.trials, self.histories, self.layers


def read_values(sweep: Path, uri: str) -> Values:
    """Everything that skipray reads back of a sweep."""
    spec = load_sweep(sweep)
    return Values(
        # A factor in the sweep whose include varies it, the last epoch's rate elsewhere; the histories have it anyway.
        _plain(tracking.read_trials(spec, uri)).drop(columns="learning_rate", errors="ignore"),
        _plain(tracking.read_histories(spec, uri)),
        _plain(tracking.read_layers(spec, uri)),
    )


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    if "metric" in frame:
        frame = frame[~frame["metric"].astype(str).str.endswith(VARIES)]
    kept = [c for c in frame.columns if not c.endswith(VARIES) and "attempt" not in c]
    return frame[kept]


def _rows(frame: pd.DataFrame, trial_id: str, columns: list[str]) -> pd.DataFrame:
    """One trial's rows with all columns, in one order; words as plain texts."""
    rows = frame[frame["trial_id"] == trial_id].reindex(columns=columns).astype(object)
    rows = rows.where(rows.notna(), None)
    return rows.sort_values(columns, key=lambda c: c.map(repr), ignore_index=True)
