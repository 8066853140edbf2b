"""Results and failures that waited in the storage while the tracking store was away, delivered once."""

import logging
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from skipray.spec import TrialSpec
from skipray.storage import Fenced, TrialPlace, awaiting_delivery, trials_kept
from skipray.tracking.address import Address, TrackingAway, TrackingRefused, is_sql
from skipray.tracking.several import several
from skipray.tracking.write.refusal import refusal
from skipray.tracking.write.run import TrialRun

AT_ONCE = 4
"""Deliveries to a server; its answers are what a delivery waits for."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pending:
    """What became of what waited: trial_ids each."""

    delivered: tuple[str, ...]
    left: tuple[str, ...]
    """Not delivered: the store is away, or the time was up."""
    refused: tuple[tuple[str, str], ...]
    """trial_id and why the store does not take it."""
    unknown: tuple[str, ...]
    """Of trials that the sweep does not name (any more)."""
    away: str = ""
    """What the tracking store says, or does not, where it is away."""


def deliver_pending(
    address: Address,
    trials: Iterable[TrialSpec],
    storage: str | os.PathLike[str],
    *,
    skip: Iterable[str] = (),
    timeout_seconds: float = 120.0,
) -> Pending:
    """Deliver what waits in the storage of the given trials of one sweep.

    For the driver: before it reads the ledger, and when its workers are done. Each trial is taken over from its
    attempt, so that what a late worker still does to it is refused.

    Args:
        skip: trial_ids that are being run and must be left alone.
        timeout_seconds: no further delivery is begun after it.
    """
    specs = {trial.trial_id: trial for trial in trials}
    sweeps = {trial.sweep for trial in specs.values()}
    skipped = set(skip)
    delivered: list[str] = []
    left: list[str] = []
    refused: list[tuple[str, str]] = []
    away: list[str] = []
    end = time.monotonic() + timeout_seconds

    def deliver(trial_id: str) -> None:
        if away or time.monotonic() > end:
            left.append(trial_id)
            return
        try:
            if _deliver(address, specs[trial_id], TrialPlace(storage, specs[trial_id].sweep, trial_id)):
                delivered.append(trial_id)
        except TrackingAway as error:
            away.append(str(error) or type(error).__name__)
            left.append(trial_id)
        except TrackingRefused as error:
            refused.append((trial_id, str(error)))
        except (Fenced, OSError) as error:
            log.warning("%s", error)
            left.append(trial_id)

    waiting = [t for sweep in sorted(sweeps) for t in awaiting_delivery(storage, sweep) if t not in skipped]
    known = [trial_id for trial_id in waiting if trial_id in specs]
    for _ in several(deliver, known, at_once=1 if is_sql(address.uri) else AT_ONCE):
        pass
    unknown = tuple(trial_id for trial_id in waiting if trial_id not in specs)
    return Pending(tuple(delivered), tuple(left), tuple(refused), unknown, away[0] if away else "")


def forget_finished(finished: Iterable[str], storage: str | os.PathLike[str], sweep: str) -> None:
    """Remove what the storage still holds of finished trials: where it was read-only, or the worker died, at that time.

    For the driver, while it holds the sweep and no worker runs.
    """
    done = set(finished)
    for trial_id in trials_kept(storage, sweep):
        if trial_id in done:
            try:
                TrialPlace(storage, sweep, trial_id).remove()
            except OSError as error:
                log.warning("what is left of trial %s cannot be removed: %s", trial_id, error)


def _deliver(address: Address, trial: TrialSpec, place: TrialPlace) -> bool:
    """Whether there was anything to deliver."""
    found = place.load_result()
    failure = place.load_failure() if found is None else None
    if found is None and failure is None:
        return False
    lease = place.acquire({"pid": os.getpid(), "purpose": "delivery"})
    attempt = found[1] if found is not None else failure.attempt if failure is not None else lease.attempt
    run = TrialRun(address, trial, attempt=attempt, guard=lease.check, look_first=True)
    if found is not None:
        try:
            run.finish(found[0])
        except TrackingRefused as error:
            with suppress(Exception):
                run.fail(refusal(error, attempt))  # else it would look as if it were running
            raise
        lease.remove_delivered()
    elif failure is not None:
        run.fail(failure)
        place.folder.remove(f"failure-{attempt:06d}.json")
    return True
