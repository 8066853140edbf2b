"""One run of a trial, as the store has it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from skipray.spec.identity import FIRST_NUMERICS
from skipray.tracking.schema import (
    ARTIFACTS,
    ATTEMPT,
    FAILURE_CLASS,
    FAILURE_MESSAGE,
    MEASURED,
    NUMERICS,
    OUTCOME,
    OUTCOMES,
    POINT,
    PROBE,
    RECIPE,
    SETTING,
    STUDY,
    TRIAL_ID,
)

if TYPE_CHECKING:
    from mlflow.entities import Run

ROW_TAGS = (
    *(TRIAL_ID, OUTCOME, ATTEMPT, FAILURE_CLASS, FAILURE_MESSAGE, PROBE),
    *(STUDY, POINT, RECIPE, MEASURED, SETTING, ARTIFACTS, NUMERICS),
)


@dataclass(frozen=True)
class RunRow:
    """One child run, without its metrics."""

    run_id: str
    trial_id: str
    status: str
    """MLflow's: RUNNING, FINISHED, FAILED, KILLED, SCHEDULED."""
    start_ms: int
    end_ms: int | None
    outcome: str | None
    attempt: int
    failure_class: str | None
    failure_message: str | None
    artifact_uri: str
    probe: str | None
    """Canonical JSON of the probe settings that a finished run was measured with."""
    study: str | None = None
    """Of a tuning trial, as the next two: the study's key, the point's number, canonical JSON of the recipe."""
    point: int | None = None
    recipe: str | None = None
    measured: tuple[str, ...] = ()
    """Names of the measurements that were added after the run's end, oldest first."""
    setting: str = "default"
    """As the trial's, of a final one."""
    artifacts: str = ""
    """JSON: the run's files with their sizes and checksums (`skipray.tracking.checksums`); empty of earlier runs."""
    numerics: int = FIRST_NUMERICS
    """The version of skipray's numerics that it was run with."""

    @property
    def is_finished(self) -> bool:
        return self.status == "FINISHED" and self.outcome in OUTCOMES


def key_of(row: RunRow) -> str:
    """A run as the cache knows it: one that was measured again has another end."""
    return f"{row.run_id}.{row.end_ms}"


def content_key(row: RunRow) -> str:
    """The same for what was read of its files: one whose files are recorded otherwise has other checksums."""
    return f"{key_of(row)}.{hashlib.sha256(row.artifacts.encode()).hexdigest()[:16]}"


def row_of(run: "Run") -> RunRow:
    """A run of MLflow's client as a row."""
    info, tags = run.info, run.data.tags
    values = [tags.get(key) for key in ROW_TAGS]
    return made_row(info.run_id, info.status, info.start_time, info.end_time, info.artifact_uri, values)


def made_row(
    run_id: str,
    status: str,
    start: int | None,
    end: int | None,
    artifact_uri: str | None,
    values: Sequence[str | None],
) -> RunRow:
    """A row, with the values of ROW_TAGS in their order."""
    trial_id, outcome, attempt, failure_class, message, probe = values[:6]
    study, point, recipe, measured, setting, artifacts, numerics = values[6:]
    return RunRow(
        run_id,
        trial_id or "",
        status,
        int(start or 0),
        int(end) if end is not None else None,
        outcome,
        _whole(attempt) or 1,
        failure_class or None,
        message or None,
        artifact_uri or "",
        probe,
        study,
        _whole(point),
        recipe,
        tuple(name for name in measured.split(",") if name) if measured else (),
        setting or "default",
        artifacts or "",
        _whole(numerics) or FIRST_NUMERICS,
    )


def object_of(text: str | None) -> dict[str, Any]:
    """A tag's JSON object; empty where the tag is missing, or was edited into something else."""
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _whole(text: str | None) -> int | None:
    """A tag's whole number; None for a tag that is missing, or was edited into something else."""
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
