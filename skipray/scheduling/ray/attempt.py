"""What goes to a worker for one attempt, and where that worker finds everything else."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from skipray.scheduling.work.protocol import TrialResult
from skipray.spec import TrialSpec

if TYPE_CHECKING:
    from skipray.tracking import Address


CREDENTIALS = (
    *("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"),
)
"""Go to the workers with their work: a runtime environment would show them on Ray's dashboard and in its logs."""


def credentials() -> dict[str, str]:
    """This process's own, by the names of their environment variables."""
    return {name: os.environ[name] for name in CREDENTIALS if name in os.environ}


@dataclass(frozen=True)
class WorkerContext:
    """Where the workers of a sweep read and write. The same for all its trials."""

    address: "Address | None"
    """Of the tracking store, from `skipray.tracking.prepare`; None where `execute` does not track."""
    storage: str
    """Checkpoints, leases and undelivered results: a folder or fsspec address, from `skipray.tracking.storage_url`."""
    data_root: str | None = None
    """Folder of the data sets, else SKIPRAY_DATA, else ./data."""
    credentials: Mapping[str, str] = field(default_factory=credentials, repr=False)
    """Environment variables that a worker sets where its node has not set them."""
    launch_id: str = ""
    """Names this launch; workers look under it whether they should stop."""
    launch_mark: str = ""
    """This launch's file in the storage: where it is gone, another launch may have finished a trial of this one.

    Empty where one before has not given the sweep up, which may be at work still, or have left a worker that is.
    """
    stop_poll_seconds: float = 1.0
    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    """`module:name` of the user's own code -> what it was made of when the launch read it."""
    runs: str | None = None
    """Where the launch writes runs for workers of its machine (`skipray.tracking.RunServer`); None: they do."""
    notes_folder: str | None = None
    """Where a worker that dies leaves word, and the driver looks; None where they share no folder."""


@dataclass(frozen=True)
class TrialAttempt:
    """One attempt of one trial."""

    trial: TrialSpec
    number: int
    """Of this launch, from 1."""
    factor: int
    """Times the resources of a usual attempt (2 after running out of memory)."""
    cpus: float
    gpus: float
    context: WorkerContext
    execute: "Execute"
    run_id: str | None = None
    """The trial's run in the tracking store, where the ledger knows one."""

    def __str__(self) -> str:
        return self.trial.label

    def __deepcopy__(self, memo: dict[int, Any]) -> "TrialAttempt":
        # Tune deep-copies a trial's configuration several times, and keeps each copy until it ends. Frozen: share it.
        return self


Execute = Callable[[TrialAttempt, Callable[[], None]], TrialResult]
"""Executes an attempt in a worker. The second argument is called between steps and raises `Interrupted` to stop."""


class Interrupted(BaseException):
    """Raised inside an attempt when the launch is being stopped. No Exception: nothing may mistake it for a failure."""
