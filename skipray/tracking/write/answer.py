"""What is known of a sweep by now, on its own run and above its list of runs: where people look first."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from skipray.tracking.address import Address, redact
from skipray.tracking.client import reach
from skipray.tracking.write.views import NOTE

if TYPE_CHECKING:
    from mlflow import MlflowClient

LONGEST_NOTE = 5000
"""Letters that every store of MLflow takes as a tag."""
LONGEST_TAG = 500


@dataclass(frozen=True)
class Answer:
    """What a sweep has shown so far."""

    headline: str
    """One line of Markdown, for the page of its runs."""
    note: str
    """Markdown, for the page of the sweep's run."""
    finished: int
    """Trials behind it: the step of its metrics."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def write_answer(address: Address, answer: Answer) -> None:
    """Write it over what was known before. Metrics that have not changed are not sent again.

    Raises:
        TrackingAway: the store cannot be reached.
    """
    from mlflow.entities import Metric, RunTag

    now = int(time.time() * 1000)
    tags = {k: redact(v)[:LONGEST_TAG] for k, v in answer.tags.items()}
    tags[NOTE] = redact(answer.note)[:LONGEST_NOTE]

    def write(mlflow: "MlflowClient") -> None:
        known = mlflow.get_run(address.parent_run_id).data.metrics
        metrics = [Metric(k, v, now, answer.finished) for k, v in answer.metrics.items() if known.get(k) != v]
        mlflow.log_batch(address.parent_run_id, metrics=metrics, tags=[RunTag(k, v) for k, v in tags.items()])
        mlflow.set_experiment_tag(address.experiment_id, NOTE, redact(answer.headline)[:LONGEST_NOTE])

    reach(address.uri, write)
