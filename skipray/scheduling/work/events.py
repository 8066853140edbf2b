"""What a launch tells its display while it runs."""

from dataclasses import dataclass
from typing import Literal

from skipray.scheduling.work.protocol import TrialResult
from skipray.spec import TrialSpec


@dataclass(frozen=True)
class Event:
    """One thing that happened to one trial.

    started: an attempt is being executed. finished: the trial is done. again: an attempt failed and another one will
    follow. failed: given up. interrupted: stopped by Ctrl-C or SIGTERM, resumable.
    """

    kind: Literal["started", "finished", "again", "failed", "interrupted"]
    trial: TrialSpec
    attempt: int
    """Of this launch, from 1."""
    result: TrialResult | None = None
    """Of all but `started`: outcome, or failure class, message and traceback."""


@dataclass(frozen=True)
class Summary:
    """How a launch ended."""

    finished: int
    failed: tuple[TrialResult, ...]
    """Given up, with their causes."""
    unfinished: int
    """Handed out but neither finished nor failed, because the launch was interrupted."""
    interrupted: bool
    seconds: float
    """Wall time from the first to the last trial."""
    train_seconds: float
    """Sum over the finished trials."""
    probe_seconds: float
    why: str = ""
    """What ended it early, and the remedy; empty after Ctrl-C, SIGTERM or a takeover."""
